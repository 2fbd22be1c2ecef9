"""Progress of a restore: a log line every few seconds, none for a restore that is shorter."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Final

log = logging.getLogger("journeys.store")
_EVERY_SECONDS: Final = 3.0


class RestoreProgress:
    """One restore at a time: `begin`, any number of `report`, then `end`.

    `read` and `remaining` count changelog records of the current restore, or of the last one, `made` the journeys that
    it has made of them; `seconds` is the duration of the last one, None before the first.
    """

    def __init__(self) -> None:
        self._began_at: float | None = None
        self._logged_at = 0.0
        self.read = self.remaining = self.made = 0
        self.seconds: float | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether a restore has begun and not ended."""
        return self._began_at is not None

    def begin(self) -> None:
        """Start the time; does nothing while a restore is under way."""
        if self._began_at is None:
            self._began_at = self._logged_at = monotonic()

    def report(self, read: int, remaining: int, journeys: int = 0) -> None:
        """Log the changelog records read so far, all there are, and the journeys restored; at most every 3 s."""
        self.read, self.remaining, self.made = read, remaining, journeys
        now = monotonic()
        if self._began_at is None or now - self._logged_at < _EVERY_SECONDS:
            return
        self._logged_at = now
        log.info(
            "restoring: %d of %d changelog records read, %d journeys made, %.0f records a second",
            read,
            read + remaining,
            journeys,
            read / (now - self._began_at),
        )

    def end(self) -> float:
        """End the restore; gives its seconds, 0 if none was under way."""
        began_at, self._began_at = self._began_at, None
        self.seconds = 0.0 if began_at is None else monotonic() - began_at
        return self.seconds
