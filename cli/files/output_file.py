"""A file of output lines, written completely or not at all."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from journeys.agents.files.whole_file import clear, partial_of, require_no_input, require_writable, take_place
from journeys.schemas.expected_error import ExpectedError

_STANDARD_OUTPUT = "-"
_utf8 = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_ascii = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode


class UnwritableFileError(ExpectedError):
    """A file that can't be written; the text says which and why."""


class OutputFile:
    """JSON lines in UTF-8, to a path or, for `-`, to standard output. A context manager.

    A regular file is written beside its place and takes it when all went well; what is no regular file
    (a device, a pipe) is written as it is. Raises UnwritableFileError and OperationError, at once where that can be
    known: none of the `inputs` is written.
    """

    def __init__(self, path: str, *, inputs: Sequence[str] = ()) -> None:
        self.path = path
        self._partial: Path | None = None
        self._dumps = _utf8
        if path == _STANDARD_OUTPUT:
            self._target = None
            self._file: IO[bytes] = sys.stdout.buffer
            if self._file.isatty():  # so that no character of a record moves the cursor
                self._dumps = _ascii
            return
        place = Path(path)
        require_no_input(place, inputs)
        try:
            if place.exists() and not place.is_file() and not place.is_dir():
                self._target = place
                self._file = place.open("wb")
            else:
                self._target = require_writable(place, inputs)
                self._partial = partial_of(self._target)
                self._file = self._partial.open("wb")
        except OSError as error:
            raise self._unwritable(error) from None

    def write(self, line: dict[str, Any]) -> None:
        """Write one line."""
        try:
            self._file.write(self._dumps(line).encode() + b"\n")
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._unwritable(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._target is None:
                self._file.flush()
                return
            self._file.close()
            if self._partial is not None and error is None:
                take_place(self._partial, self._target)
        except BrokenPipeError:
            raise
        except OSError as failure:
            raise self._unwritable(failure) from None
        finally:
            if self._partial is not None:
                clear(self._partial)

    def _unwritable(self, error: OSError) -> UnwritableFileError:
        where = "standard output" if self._target is None else self.path
        return UnwritableFileError(f"{where}: can't be written: {error.strerror}")
