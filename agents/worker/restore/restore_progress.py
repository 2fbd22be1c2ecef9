"""How far a restore has come: one line in the log every few seconds, none for a restore that is over before."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Final

log = logging.getLogger("journeys.store")
_EVERY_SECONDS: Final = 3.0


class RestoreProgress:
    """One restore at a time: `begin`, then `tell` as often as one likes, then `end`.

    `read` and `remaining` are changelog records of the restore under way, or of the last one; `seconds` is what that
    one took, None before the first.
    """

    def __init__(self) -> None:
        self._began_at: float | None = None
        self._told_at = 0.0
        self.read = self.remaining = 0
        self.seconds: float | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether a restore has begun and not ended."""
        return self._began_at is not None

    def begin(self) -> None:
        """Take the time; does nothing while a restore is under way."""
        if self._began_at is None:
            self._began_at = self._told_at = monotonic()

    def tell(self, read: int, remaining: int, made: int = 0) -> None:
        """Log how many changelog records were read so far, of how many in all, and how many journeys were made of them.

        Logs nothing where that was said just now.
        """
        self.read, self.remaining = read, remaining
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
        self.seconds = 0.0 if began_at is None else monotonic() - began_at
        return self.seconds
