"""CheckedClock: the clock of an embedded manager, looked at before anything is written under its time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from journeys.clock import now_ms
from journeys.schemas.instants import DAY_MS, EARLIEST, LATEST, SECOND_MS, format_instant
from journeys.schemas.invalid import InvalidRecordError
from training_orchestrator.api.configuration import is_whole

_MILLISECONDS: Final = "whole milliseconds since 1970, such as now=lambda: int(time.time() * 1000)"
# Longer than any journey lasts, and shorter than what a clock in the wrong unit is off by.
LONGEST_JUMP_MS: Final = 3_653 * DAY_MS


class CheckedClock:
    """Gives epoch milliseconds of `now`, the machine's clock where that is None. Raises InvalidRecordError for others.

    `now` may stand still or go back. Once a store is open, it may not jump more than ten years ahead of it.
    """

    def __init__(self, now: Callable[[], int] | None) -> None:
        self._now = now
        self._latest: int | None = None

    @property
    def time_source(self) -> str:
        """`live` for the machine's clock, else `simulated`."""
        return "live" if self._now is None else "simulated"

    def __call__(self) -> int:
        """Read the clock."""
        given = now_ms() if self._now is None else self._now()
        if not is_whole(given):
            raise InvalidRecordError("now", given, _MILLISECONDS)
        at = int(given)  # numpy's among them
        if not EARLIEST <= at < LATEST:
            if self._now is None:
                raise InvalidRecordError("now", format_instant(at), "the time of today: set this machine's clock")
            raise InvalidRecordError("now", at, _MILLISECONDS + _unit_of(at))
        if self._now is not None and self._latest is not None and at > self._latest:
            if at > self._latest + LONGEST_JUMP_MS:
                known = format_instant(self._latest)
                raise InvalidRecordError("now", format_instant(at), f"at most ten years after the store's {known}")
            self._latest = at
        return at

    def takes(self, other: CheckedClock) -> None:
        """Read what another clock reads from now on."""
        self._now = other._now

    def opens(self, clock: int | None) -> None:
        """Note where the clock of the store stands (ms); None in a new one, which may begin at any time up to now."""
        self._latest = max(clock or EARLIEST, now_ms())


def _unit_of(at: int) -> str:
    """What a number probably is, if not milliseconds."""
    for name, factor in (("seconds", SECOND_MS), ("microseconds", 1 / 1_000), ("nanoseconds", 1 / 1_000_000)):
        if EARLIEST <= at * factor < LATEST:
            return f" (this looks like {name})"
    return ""
