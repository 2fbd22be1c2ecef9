"""Writes a file whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from journeys.agents.settings.operation_error import OperationError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside the file; it replaces the file if the block ends without an error.

    Raises OperationError if it can't be written.
    """
    target = path.resolve()  # resolved, so that the target of a symbolic link is replaced and not the link
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(target)
    except OSError as error:
        raise OperationError(f"{path}: can't be written: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)
