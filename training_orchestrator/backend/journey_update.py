"""What a mirror is told of a journey: where it stands now."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from journeys.streams.rule.row import Row


class JourneyUpdate(NamedTuple):
    """One journey as its row stands. `deadline_at` (ms) is None for one that is not open; `outcome` is its last end.

    A journey that is forgotten has neither.
    """

    journey_id: str
    deadline_at: int | None
    state: str = ""
    touchpoint_count: int = 0
    total_cost_micros: int = 0
    outcome: str | None = None

    @classmethod
    def of_row(cls, row: Row) -> JourneyUpdate:
        """The row as it is now."""
        deadline_at = row.deadline_at if row.open else None
        count, cost = row.touchpoint_count, row.total_cost_micros
        return cls(row.journey_id, deadline_at, row.state, count, cost, row.previous_outcome)


class Follower(Protocol):
    """How a mirror does, for figures."""

    @property
    def breaker_state(self) -> str:
        """`closed`, `opened` or `half-opened`."""

    @property
    def openings(self) -> int:
        """How often the breaker has opened."""

    @property
    def rebuilds(self) -> int:
        """How often all of it was filled."""


class Mirror(Follower, Protocol):
    """Follows the journeys for those who look from outside; never asked for anything that decides."""

    def note(self, updates: list[JourneyUpdate]) -> None:
        """Take what has changed; never waits."""

    def start(self) -> None:
        """Begin to follow."""

    async def stop(self) -> None:
        """Follow no more."""
