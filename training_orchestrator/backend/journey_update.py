"""Updates of journeys for a mirror (Redis), and the protocol of a mirror."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from journeys.streams.rule.row import Row


class JourneyUpdate(NamedTuple):
    """Present state of one journey. `deadline_at` (ms): None if it is not open. `outcome`: how its last episode ended.

    A journey that was deleted by cleanup has neither.
    """

    journey_id: str
    deadline_at: int | None
    state: str = ""
    touchpoint_count: int = 0
    total_cost_micros: int = 0
    outcome: str | None = None

    @classmethod
    def of_row(cls, row: Row) -> JourneyUpdate:
        """Update of a row."""
        deadline_at = row.deadline_at if row.open else None
        count, cost = row.touchpoint_count, row.total_cost_micros
        return cls(row.journey_id, deadline_at, row.state, count, cost, row.previous_outcome)


class MirrorHealth(Protocol):
    """State of a mirror, for figures."""

    @property
    def breaker_state(self) -> str:
        """`closed`, `opened` or `half-opened`."""

    @property
    def openings(self) -> int:
        """How often the breaker has opened."""

    @property
    def rebuilds(self) -> int:
        """How often the mirror was filled completely."""


class Mirror(MirrorHealth, Protocol):
    """A copy of the journeys for outside readers; no decision depends on it."""

    def note(self, updates: list[JourneyUpdate]) -> None:
        """Take updates; never waits."""

    def start(self) -> None:
        """Start mirroring."""

    async def stop(self) -> None:
        """Stop mirroring."""
