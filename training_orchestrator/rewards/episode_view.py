"""What a bidder knew of an episode at an instant, and the default observation and action of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from journeys.schemas.instants import DAY_MS
from journeys.schemas.money import MICROS
from journeys.schemas.records import STATES

if TYPE_CHECKING:
    from journeys.schemas.records import Touchpoint


class EpisodeView(NamedTuple):
    """State of an episode at an instant; it holds nothing that became known later."""

    state: str
    touchpoint_count: int
    total_cost: float
    """Dollars."""
    days_since_start: float
    days_since_touchpoint: float
    """The same as `days_since_start` where there was none."""


class Episode(NamedTuple):
    """Sums of an episode so far, of which views are made."""

    started_at: int
    state: str = "UNAWARE"
    touchpoint_count: int = 0
    total_cost_micros: int = 0
    last_touchpoint_at: int | None = None

    def view(self, at: int) -> EpisodeView:
        """View at an instant (ms); days are never negative, also for a touchpoint that arrives out of order."""
        last = self.started_at if self.last_touchpoint_at is None else self.last_touchpoint_at
        return EpisodeView(
            self.state,
            self.touchpoint_count,
            self.total_cost_micros / MICROS,
            max(0, at - self.started_at) / DAY_MS,
            max(0, at - last) / DAY_MS,
        )


def numbers_of(view: EpisodeView) -> Sequence[float]:
    """Default observation, nine numbers: 0 or 1 by state, touchpoints, dollars, days since start and touchpoint."""
    return [*(float(view.state == state) for state in STATES), *map(float, view[1:])]


def spend_of(touchpoint: Touchpoint) -> Sequence[float]:
    """Default action, one number: the cost of the touchpoint in dollars."""
    return [touchpoint.cost_micros / MICROS]
