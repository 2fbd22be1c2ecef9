"""Log lines of one kind, once in a while: of a broker that is away aiokafka tells hundreds of times a second."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Final

_EVERY_SECONDS: Final = 10.0


class RepeatedLines(logging.Filter):
    """Lets a line of `logger` or below through once in ten seconds; the next one says how many were left out.

    Lines are of the same kind if they have their logger, level and text without arguments in common.
    """

    def __init__(self, logger: str) -> None:
        super().__init__()
        self._logger = logger
        self._told: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line goes through."""
        if record.name != self._logger and not record.name.startswith(f"{self._logger}."):
            return True
        kind = (record.name, record.levelno, str(record.msg))
        told_at, left_out = self._told.get(kind, (None, 0))
        now = monotonic()
        if told_at is not None and now - told_at < _EVERY_SECONDS:
            self._told[kind] = (told_at, left_out + 1)
            return False
        self._told[kind] = (now, 0)
        if left_out:
            record.msg, record.args = f"{record.getMessage()} (and {left_out} more like it)", ()
        return True
