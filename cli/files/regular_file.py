"""A file that can be read twice: standard input and pipes are copied to a temporary one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from journeys.agents.history.line_files import LineFile

_STANDARD_INPUT = "-"
_NOT_JSONL = (".csv", ".parquet", ".pq")
# The kind itself, or what it could be written with: an escape of JSON, another encoding than UTF-8.
_SIGNS = (b"punctuation", b"\\u", b"\0")


def holds_punctuations(file: LineFile) -> bool:
    """Whether the file holds punctuations. Raises UnreadableFileError."""
    if Path(file.path).suffix.lower() not in _NOT_JSONL:
        # Most files hold none, and searching their bytes is a hundred times faster than decoding their records.
        with Path(file.path).open("rb") as source:
            if not any(sign in line for line in source for sign in _SIGNS):
                return False
    return file.has_punctuations()


@contextmanager
def regular_file(source: str) -> Iterator[LineFile]:
    """Give the lines of a path, or of JSONL from a pipe or `-`. Raises UnreadableFileError."""
    if source != _STANDARD_INPUT and not Path(source).is_fifo():
        yield LineFile(source)
        return
    with NamedTemporaryFile(prefix="journeys-", suffix=".jsonl") as spool:
        if source == _STANDARD_INPUT:
            shutil.copyfileobj(sys.stdin.buffer, spool)
        else:
            with Path(source).open("rb") as pipe:
                shutil.copyfileobj(pipe, spool)
        spool.flush()
        yield LineFile(spool.name)
