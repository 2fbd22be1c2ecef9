"""What an inactivity threshold costs: days of waiting, and wrong abandonments at a price.

A silence of length g under threshold t costs, looked at up to the horizon H, min(g, t, H) of waiting, and the price if
the journey comes back behind the threshold, t <= g < H. All are durations in ms: the price says how long one would
wait in order not to be wrong once. The expectation comes from hazards between the points of a grid, pooled with those
of a larger group: as if `PSEUDO` more silences of that group had been watched in each interval.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from journeys.analytics.silences import ENDED, OPEN, Silences
from journeys.analytics.survival import Array
from journeys.schemas.instants import HOUR_MS

PSEUDO: Final = 50
_POINTS: Final = 120
_LEAST_MS: Final = 72_000
_HUNDREDTH_MS: Final = HOUR_MS // 100


def threshold_grid(horizon_ms: int) -> Array:
    """Thresholds to try, ascending: geometric, from 0.02 hours to the horizon, in whole hundredths of an hour."""
    least = min(_LEAST_MS, horizon_ms)
    points = np.geomspace(least, horizon_ms, _POINTS)
    rounded = np.maximum(np.round(points / _HUNDREDTH_MS), 1).astype(np.int64) * _HUNDREDTH_MS
    return np.unique(np.append(rounded[rounded < horizon_ms], horizon_ms))


class Counts(NamedTuple):
    """What happened between the points of a grid, the first interval from 0 on; arrays end with that axis."""

    returned: Array
    ended: Array
    at_risk: Array

    def __add__(self, other: Counts) -> Counts:  # type: ignore[override]  # counts are numbers, not a sequence
        return Counts(*(one + more for one, more in zip(self, other, strict=True)))

    def __sub__(self, other: Counts) -> Counts:
        return Counts(*(one - less for one, less in zip(self, other, strict=True)))

    def sum(self, axes: int | tuple[int, ...], where: Array | None = None) -> Counts:
        """Over some axes, or some elements of the first one."""
        return Counts(*((one if where is None else one[where]).sum(axis=axes) for one in self))

    @property
    def silences(self) -> float:
        """How many were watched at all."""
        return float(self.at_risk[..., 0].sum())


class Hazards(NamedTuple):
    """Chance in each interval, of those still waiting, to come back and to be ended otherwise."""

    returned: Array
    ended: Array


def counts_by_cell(silences: Silences, cell: Array, cells: int, grid: Array) -> Counts:
    """Counts of shape (cells, intervals). Half of those censored in an interval are at risk in it."""
    edges = np.append(0, grid)
    interval = np.searchsorted(edges, silences.age, side="right") - 1
    width = len(grid) + 1
    flat = cell * width + interval

    def counted(mask: Array | None) -> Array:
        chosen = flat if mask is None else flat[mask]
        return np.bincount(chosen, minlength=cells * width).reshape(cells, width).astype(float)

    reached = np.cumsum(counted(None)[:, ::-1], axis=1)[:, ::-1]
    censored, ended = counted(silences.ending == OPEN), counted(silences.ending == ENDED)
    returned = counted(silences.came_back)
    return Counts(returned[:, :-1], ended[:, :-1], (reached - censored / 2)[:, :-1])


def hazards_of(counts: Counts, common: Hazards | None = None) -> Hazards:
    """Hazards of one row of counts, pooled with those of a larger group."""
    if common is None:
        watched = np.where(counts.at_risk > 0, counts.at_risk, 1)
        return Hazards(counts.returned / watched, counts.ended / watched)
    watched = counts.at_risk + PSEUDO
    return Hazards(
        (counts.returned + PSEUDO * common.returned) / watched, (counts.ended + PSEUDO * common.ended) / watched
    )


def expected_costs(hazards: Hazards, grid: Array, price_ms: float) -> Array:
    """Expected cost of a silence in ms, at each threshold of the grid."""
    edges = np.append(0, grid).astype(float)
    left = np.append(1.0, np.cumprod(1 - np.minimum(hazards.returned + hazards.ended, 1)))
    waiting = np.cumsum(np.diff(edges) * (left[:-1] + left[1:]) / 2)
    back = np.cumsum(left[:-1] * hazards.returned)
    costs: Array = waiting + price_ms * (back[-1] - back)
    return costs


def best_threshold(hazards: Hazards, grid: Array, price_ms: float) -> int:
    """Place in the grid of the threshold that costs least; the shortest of several."""
    return int(np.argmin(expected_costs(hazards, grid, price_ms)))


def realised_costs(age: Array, came_back: Array, threshold: Array | int, horizon_ms: int, price_ms: float) -> Array:
    """Cost in ms of each silence that was watched for the horizon at least."""
    waited = np.minimum(np.minimum(age, threshold), horizon_ms)
    wrong = came_back & (age >= threshold) & (age < horizon_ms)
    costs: Array = waited + price_ms * wrong
    return costs
