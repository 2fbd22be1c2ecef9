"""A file that can be read twice, whatever was named: standard input and pipes go to a temporary one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from agents.line_files import LineFile

_STANDARD_INPUT = "-"


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
