"""What a bidder could know of a journey before it acted, and what an observation and an action are by default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from journeys.schemas.instants import DAY_MS
from journeys.schemas.records import STATES

if TYPE_CHECKING:
    from journeys.schemas.records import Touchpoint

_MICROS: Final = 1_000_000


class EpisodeView(NamedTuple):
    """An episode as it stood at an instant. Nothing in it was learned later."""

    state: str
    touchpoint_count: int
    total_cost: float
    """Dollars."""
    days_since_start: float
    days_since_touchpoint: float
    """The same as `days_since_start` where there was none."""


class Episode(NamedTuple):
    """What a view is made of: sums of the episode so far."""

    started_at: int
    state: str = "UNAWARE"
    touchpoint_count: int = 0
    total_cost_micros: int = 0
    last_touchpoint_at: int | None = None

    def view(self, at: int) -> EpisodeView:
        """View at an instant (ms); a touchpoint that comes out of order has no negative days."""
        last = self.started_at if self.last_touchpoint_at is None else self.last_touchpoint_at
        return EpisodeView(
            self.state,
            self.touchpoint_count,
            self.total_cost_micros / _MICROS,
            max(0, at - self.started_at) / DAY_MS,
            max(0, at - last) / DAY_MS,
        )


def numbers_of(view: EpisodeView) -> Sequence[float]:
    """Nine numbers: for each state 0 or 1, then touchpoints, dollars, days since start and last touchpoint."""
    return [*(float(view.state == state) for state in STATES), *map(float, view[1:])]


def spend_of(touchpoint: Touchpoint) -> Sequence[float]:
    """One number: what the action spent, in dollars."""
    return [touchpoint.cost_micros / _MICROS]
