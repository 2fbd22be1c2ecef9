"""A file that is there as a whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from journeys.agents.settings.operation_error import OperationError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path beside the file's place; what is written there takes the place when the block has ended well.

    Raises OperationError where it can't be written.
    """
    target = path.resolve()  # through symbolic links, so that the file behind them is replaced and not the link
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(target)
    except OSError as error:
        raise OperationError(f"{path}: can't be written: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)
