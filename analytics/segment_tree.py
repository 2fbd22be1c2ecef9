"""Segments of journeys whose silences ask for different thresholds, chosen by evidence.

A segment is a box: an interval of touchpoints so far, some states, some labels. They come from splitting the whole in
two, again and again, as a regression tree does. A split must pay for itself on journeys that were not used to choose
its thresholds (five folds, by journey). Hazards of a segment are pooled with those of the box that it was split from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from journeys.analytics.silences import Silences
from journeys.analytics.survival import Array
from journeys.analytics.thresholds import Counts, Hazards, best_threshold, counts_by_cell, expected_costs, hazards_of
from journeys.schemas.records import CONVERTED, STATES

FOLDS: Final = 5
MOST_SEGMENTS: Final = 10
_MOST_LABELS: Final = 12
_FEWEST_SILENCES: Final = 100
# A split must lessen the expected cost by this share of the whole at least, and by more than its own standard error.
_LEAST_GAIN: Final = 0.002
_STATES: Final = tuple(state for state in STATES if state != CONVERTED)
# Touchpoints so far, each from this number on: 1, 2, 3-4, 5-8, 9-16, 17 and more.
TOUCHPOINT_STEPS: Final = (1, 2, 3, 5, 9, 17)
_AXES: Final = 3


class Box(NamedTuple):
    """Places that a segment holds on each axis: touchpoint steps, states, labels (the last one: any other or none)."""

    touchpoints: tuple[int, ...]
    states: tuple[int, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cells:
    """Silences counted by cell: touchpoint step, state and label, and by fold of the journey.

    `counts` have the shape (steps, states, labels, folds, intervals). `labels` are the most frequent segments.
    """

    counts: Counts
    labels: tuple[str, ...]
    grid: Array

    @property
    def whole(self) -> Box:
        """The box of all cells."""
        steps, states, labels = self.counts.at_risk.shape[:_AXES]
        return Box(tuple(range(steps)), tuple(range(states)), tuple(range(labels)))

    def of(self, box: Box) -> Counts:
        """Counts of a box by fold: shape (folds, intervals)."""
        return Counts(*(one[np.ix_(*box)].sum(axis=(0, 1, 2)) for one in self.counts))


@dataclass(frozen=True, slots=True)
class Segment:
    """A box with its pooled hazards, and the number of silences in it."""

    box: Box
    hazards: Hazards
    silences: int


class CellPlaces(NamedTuple):
    """Place of each silence on the axes of a box."""

    touchpoints: Array
    states: Array
    labels: Array

    def within(self, box: Box) -> Array:
        """Which silences a box holds."""
        held = np.ones(len(self.touchpoints), bool)
        for places, wanted in zip(self, box, strict=True):
            held &= np.isin(places, wanted)
        return held


def frequent_labels(silences: Silences) -> tuple[str, ...]:
    """Labels that may make segments: the most frequent ones, of enough silences."""
    given = silences.segment[silences.segment >= 0]
    counts = np.bincount(given, minlength=len(silences.segments))
    order = [int(place) for place in np.argsort(-counts, kind="stable")[:_MOST_LABELS]]
    return tuple(silences.segments[place] for place in order if counts[place] >= _FEWEST_SILENCES)


def places_of(silences: Silences, touchpoints: Array, labels: tuple[str, ...]) -> CellPlaces:
    """Places of silences on the axes, with so many touchpoints so far."""
    of_label = np.full(len(silences.segments) + 1, len(labels))
    for place, label in enumerate(labels):
        of_label[silences.segments.index(label)] = place
    step = np.searchsorted(TOUCHPOINT_STEPS, touchpoints, side="right") - 1
    return CellPlaces(np.maximum(step, 0), silences.state.astype(np.int64), of_label[silences.segment])


def cells_of(silences: Silences, places: CellPlaces, labels: tuple[str, ...], grid: Array) -> Cells:
    """Count silences by cell."""
    shape = (len(TOUCHPOINT_STEPS), len(_STATES), len(labels) + 1, FOLDS)
    cell = np.ravel_multi_index((*places, _folds(silences.journey)), shape)
    counts = counts_by_cell(silences, cell, int(np.prod(shape)), grid)
    return Cells(Counts(*(one.reshape(*shape, len(grid)) for one in counts)), labels, grid)


def grow(cells: Cells, price_ms: float, *, begin: list[Box] | None = None, most: int = MOST_SEGMENTS) -> list[Segment]:
    """Split the whole, or the boxes that are given, until no split pays, or there are `most` segments."""
    common = hazards_of(cells.of(cells.whole).sum(0))
    whole_cost = _least_cost(cells, common, price_ms) * cells.of(cells.whole).silences
    leaves = [_Leaf.of(cells, box, common, price_ms) for box in begin or [cells.whole]]
    while len(leaves) < most:
        best = max(leaves, key=lambda leaf: leaf.gain)
        if best.gain <= _LEAST_GAIN * whole_cost or best.parts is None:
            break
        place = leaves.index(best)
        leaves[place : place + 1] = [_Leaf.of(cells, box, best.hazards, price_ms) for box in best.parts]
    return [Segment(leaf.box, leaf.hazards, round(cells.of(leaf.box).silences)) for leaf in leaves if leaf.has_silences]


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A box, its hazards, and the split that would lessen its cost most."""

    box: Box
    hazards: Hazards
    gain: float
    parts: tuple[Box, Box] | None
    has_silences: bool

    @staticmethod
    def of(cells: Cells, box: Box, common: Hazards, price_ms: float) -> _Leaf:
        counts = cells.of(box)
        hazards = hazards_of(counts.sum(0), common)
        gain, parts = 0.0, None
        for one in _splits(cells, box):
            its_gain = _gain(cells, counts, one, hazards, common, price_ms)
            if its_gain > gain:
                gain, parts = its_gain, one
        return _Leaf(box, hazards, gain, parts, counts.silences > 0)


def _splits(cells: Cells, box: Box) -> Iterator[tuple[Box, Box]]:
    for axis in range(_AXES):
        places = box[axis]
        order = places if axis == 0 else _by_survival(cells, box, axis)
        for cut in range(1, len(order)):
            parts = tuple(sorted(order[:cut])), tuple(sorted(order[cut:]))
            yield box._replace(**{Box._fields[axis]: parts[0]}), box._replace(**{Box._fields[axis]: parts[1]})


def _by_survival(cells: Cells, box: Box, axis: int) -> tuple[int, ...]:
    """Places of an axis by the share that came back within the grid: a best cut lies between neighbours in it."""

    def share(place: int) -> float:
        hazards = hazards_of(cells.of(box._replace(**{Box._fields[axis]: (place,)})).sum(0))
        return float(-np.sum(np.log1p(-np.minimum(hazards.returned, 0.999))))

    return tuple(sorted(box[axis], key=share))


def _gain(
    cells: Cells, counts: Counts, parts: tuple[Box, Box], hazards: Hazards, common: Hazards, price_ms: float
) -> float:
    """What a split saves on the journeys of each fold with thresholds of the others; 0 where that is not sure."""
    both = [cells.of(part) for part in parts]
    if min(one.silences for one in both) < _FEWEST_SILENCES:
        return 0.0
    gains = np.zeros(FOLDS)
    total = counts.sum(0)
    for fold in range(FOLDS):
        own = Counts(*(one[fold] for one in counts))
        unsplit = best_threshold(hazards_of(total - own, common), cells.grid, price_ms)
        for part in both:
            held_out = Counts(*(one[fold] for one in part))
            split = best_threshold(hazards_of(part.sum(0) - held_out, hazards), cells.grid, price_ms)
            costs = expected_costs(hazards_of(held_out), cells.grid, price_ms)
            gains[fold] += (costs[unsplit] - costs[split]) * held_out.silences
    error = gains.std(ddof=1) * np.sqrt(FOLDS)
    return float(gains.sum()) if gains.sum() > error else 0.0


def _least_cost(cells: Cells, hazards: Hazards, price_ms: float) -> float:
    return float(expected_costs(hazards, cells.grid, price_ms).min())


def _folds(journey: Array) -> Array:
    """Fold of each journey, from its number by a multiplicative hash (Knuth 6.4)."""
    return (journey.astype(np.uint64) * np.uint64(2_654_435_761) % np.uint64(2**32) // np.uint64(2**16)) % FOLDS
