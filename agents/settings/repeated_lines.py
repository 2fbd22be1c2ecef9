"""Rate limit for repeated log lines: without a broker, aiokafka logs hundreds of lines a second."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Final

_EVERY_SECONDS: Final = 10.0


class RepeatedLines(logging.Filter):
    """Passes lines of `logger` and its children once in ten seconds; the next one says how many were suppressed.

    Lines are the same if logger, level and message template are equal.
    """

    def __init__(self, logger: str) -> None:
        super().__init__()
        self._logger = logger
        self._passed: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is passed."""
        if record.name != self._logger and not record.name.startswith(f"{self._logger}."):
            return True
        kind = (record.name, record.levelno, str(record.msg))
        passed_at, suppressed = self._passed.get(kind, (None, 0))
        now = monotonic()
        if passed_at is not None and now - passed_at < _EVERY_SECONDS:
            self._passed[kind] = (passed_at, suppressed + 1)
            return False
        self._passed[kind] = (now, 0)
        if suppressed:
            record.msg, record.args = f"{record.getMessage()} (and {suppressed} more like it)", ()
        return True
