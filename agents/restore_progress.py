"""How far a restore has come, in the log: one line every few seconds, none for a restore that is over before."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Final

log = logging.getLogger("journeys.store")
_EVERY_SECONDS: Final = 3.0


class RestoreProgress:
    """One restore at a time: `begin`, then `tell` as often as one likes, then `end`."""

    def __init__(self) -> None:
        self._began_at: float | None = None
        self._told_at = 0.0

    def begin(self) -> None:
        """Take the time; does nothing while a restore is under way."""
        if self._began_at is None:
            self._began_at = self._told_at = monotonic()

    def tell(self, read: int, remaining: int, made: int = 0) -> None:
        """Log how many changelog records were read so far, of how many in all, and how many journeys were made of them.

        Does nothing where that was said just now.
        """
        now = monotonic()
        if self._began_at is None or now - self._told_at < _EVERY_SECONDS:
            return
        self._told_at = now
        log.info(
            "restoring: %d of %d changelog records read, %d journeys made, %.0f records a second",
            read,
            read + remaining,
            made,
            read / (now - self._began_at),
        )

    def end(self) -> float:
        """Seconds since the restore began; 0 where nothing was to be read."""
        began_at, self._began_at = self._began_at, None
        return 0.0 if began_at is None else monotonic() - began_at
