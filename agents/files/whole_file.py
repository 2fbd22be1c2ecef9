"""Writes a file whole or not at all: beside its place, which it takes at the end."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from journeys.agents.settings.operation_error import OperationError

_STANDARD_STREAM: Final = "-"
_begun: set[Path] = set()


@contextmanager
def whole_file(path: Path, *, inputs: Sequence[str] = ()) -> Iterator[Path]:
    """Give a temporary path beside the file; what is written there takes the file's place if the block ends well.

    The file keeps its mode, and its links: a symbolic one leads to what was written, hard ones share it. Raises
    OperationError if the file can't be written, is one of the `inputs`, or is a device, a pipe or a folder.
    """
    target = require_writable(path, inputs)
    partial = partial_of(target)
    try:
        yield partial
        take_place(partial, target)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise OperationError(f"{path}: can't be written: {error.strerror or error}") from None
    finally:
        clear(partial)


def partial_of(target: Path) -> Path:
    """Where a file is written before it takes its place; `clear` it at the end."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    _begun.add(partial)
    return partial


def clear(partial: Path) -> None:
    """Remove what is left of a file that was begun."""
    partial.unlink(missing_ok=True)
    _begun.discard(partial)


def clear_all() -> None:
    """Remove all that was begun, when a signal ends the process."""
    for partial in list(_begun):
        clear(partial)


def require_writable(path: Path, inputs: Sequence[str] = ()) -> Path:
    """The place of an output file, through symbolic links. Raises OperationError as `whole_file`."""
    target = path.resolve()
    try:
        there = target.stat()
    except FileNotFoundError:
        return target
    except OSError as error:
        raise OperationError(f"{path}: can't be written: {error.strerror or error}") from None
    require_no_input(path, inputs)
    if not stat.S_ISREG(there.st_mode):
        kind = "a folder" if stat.S_ISDIR(there.st_mode) else "a device or a pipe, which would be replaced by a file"
        raise OperationError(f"{path}: can't be written: it is {kind}; name a file")
    return target


def require_no_input(path: Path, inputs: Sequence[str]) -> None:
    """Raise OperationError if a path is one of those that are read."""
    for name in inputs:
        if name != _STANDARD_STREAM and Path(name).exists() and path.exists() and path.samefile(name):
            raise OperationError(f"{path}: this is the input {name}: it would be lost; write to another file")


def take_place(partial: Path, target: Path) -> None:
    """Put a written file in the place of another one, with that one's mode and hard links."""
    try:
        there = target.stat()
    except FileNotFoundError:
        partial.replace(target)
        return
    if there.st_nlink > 1:
        with partial.open("rb") as source, target.open("r+b") as place:
            shutil.copyfileobj(source, place)
            place.truncate()
        return
    partial.chmod(stat.S_IMODE(there.st_mode))
    partial.replace(target)
