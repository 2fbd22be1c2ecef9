"""A file of output lines, written completely or not at all."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from journeys.schemas.expected_error import ExpectedError

_STANDARD_OUTPUT = "-"
_utf8 = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_ascii = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode


class UnwritableFileError(ExpectedError):
    """A file that can't be written; the text says which and why."""


class OutputFile:
    """JSON lines in UTF-8, to a path or, for `-`, to standard output. A context manager.

    A regular file is written beside its place and takes it when all went well; what is no regular file
    (a device, a pipe) is written as it is. Raises UnwritableFileError, at once where that can be known.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._partial: Path | None = None
        self._dumps = _utf8
        if path == _STANDARD_OUTPUT:
            self._target = None
            self._file: IO[bytes] = sys.stdout.buffer
            if self._file.isatty():  # so that no character of a record moves the cursor
                self._dumps = _ascii
            return
        # Through symbolic links, so that the file behind them is replaced and not the link.
        self._target = Path(path).resolve()
        try:
            if self._target.exists() and not self._target.is_file():
                self._file = self._target.open("wb")
            else:
                self._partial = self._target.with_name(f".{self._target.name}.{os.getpid()}.partial")
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
                self._partial.replace(self._target)
        except BrokenPipeError:
            raise
        except OSError as failure:
            raise self._unwritable(failure) from None
        finally:
            if self._partial is not None:
                self._partial.unlink(missing_ok=True)

    def _unwritable(self, error: OSError) -> UnwritableFileError:
        where = "standard output" if self._target is None else self.path
        return UnwritableFileError(f"{where}: can't be written: {error.strerror}")
