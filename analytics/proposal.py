"""Inactivity thresholds that a history asks for, by segment: at a price, or with a promise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from journeys.analytics.promise import Promise, promise
from journeys.analytics.segment_tree import (
    TOUCHPOINT_STEPS,
    Box,
    CellPlaces,
    Cells,
    cells_of,
    frequent_labels,
    grow,
    places_of,
)
from journeys.analytics.silences import Silences, touchpoints_so_far
from journeys.analytics.survival import Array, Share, SurvivalCurve
from journeys.analytics.thresholds import best_threshold, hazards_of, threshold_grid
from journeys.schemas.instants import DAY_MS
from journeys.schemas.records import CONVERTED, STATES

_LEAST_CLEANUP_MS: Final = 30 * DAY_MS
# A policy's durations are no longer.
MOST_DAYS: Final = 36_500
# Thresholds and counts of touchpoints depend on each other where journeys are forgotten: they are settled in turns.
_MOST_ROUNDS: Final = 5
_NEVER_MS: Final = 2**53
_STATES: Final = tuple(state for state in STATES if state != CONVERTED)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: thresholds at a price, or that at most so large a share comes back, with a confidence.

    `cleanup_ms` is how long ended journeys are to be remembered; None for twice as long as the history lasts.
    """

    horizon_ms: int
    price_ms: float | None = None
    wrong_at_most: float | None = None
    confidence: float = 0.95
    cleanup_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ProposedSegment:
    """A segment with its threshold, and what was seen of it.

    `wrong` is the share of those silent for the threshold that came back within the horizon after it (Kaplan-Meier),
    `waiting_ms` what a silence waits on average for the threshold or its end. `promise` is None where a price was asked
    for; where it was refused, `threshold_ms` is the longest that was tried.
    """

    box: Box
    threshold_ms: int
    silences: int
    journeys: int
    curve: SurvivalCurve
    wrong: Share | None
    waiting_ms: float
    promise: Promise | None

    @property
    def is_refused(self) -> bool:
        """Whether a promise was asked for and no threshold kept it."""
        return self.promise is not None and self.promise.kept is None


@dataclass(frozen=True, slots=True)
class Proposal:
    """Thresholds by segment, in the order of the rules; `threshold_ms` is that of one curve for all.

    `as_of` is the instant up to which the history was looked at, `cleanup_ms` how long ended journeys are remembered:
    what was learned of a journey's touchpoints so far holds for a rule that remembers them likewise.
    """

    request: Request
    segments: tuple[ProposedSegment, ...]
    threshold_ms: int
    labels: tuple[str, ...]
    grid: Array
    silences: int
    journeys: int
    as_of: int
    cleanup_ms: int

    @property
    def longest_ms(self) -> int:
        """The longest threshold."""
        return max([self.threshold_ms, *(segment.threshold_ms for segment in self.segments)])

    @property
    def is_refused(self) -> bool:
        """Whether a promise was asked for and no segment has one."""
        return all(segment.is_refused for segment in self.segments)


class TooFewSilencesError(ValueError):
    """No silence of the history says anything about thresholds."""


def propose(silences: Silences, request: Request) -> Proposal:
    """Fit thresholds. Raises TooFewSilencesError where the history holds no silence."""
    grid = threshold_grid(request.horizon_ms)
    labels = frequent_labels(silences)
    looked_at = silences.is_silence & (silences.age > 0)
    if not looked_at.any():
        raise TooFewSilencesError("no touchpoint is followed by a silence")
    known = silences.of(looked_at)
    touchpoints = touchpoints_so_far(silences, np.full(len(silences), _NEVER_MS), _NEVER_MS)
    cleanup_ms = request.cleanup_ms or _cleanup_ms(silences, request.horizon_ms)
    for _ in range(_MOST_ROUNDS):
        every_place = places_of(silences, touchpoints, labels)
        places = CellPlaces(*(one[looked_at] for one in every_place))
        cells = cells_of(known, places, labels, grid)
        fitted = (
            _at_a_price(cells, request) if request.price_ms is not None else _promised(cells, known, places, request)
        )
        common, boxes = fitted
        counted = touchpoints_so_far(silences, _thresholds(every_place, common, boxes), cleanup_ms)
        if (_steps(counted) == _steps(touchpoints)).all():
            break
        touchpoints = counted
    segments = [_described(known, places.within(box), box, threshold, kept, request) for box, threshold, kept in boxes]
    return Proposal(
        request,
        tuple(_in_order_of_rules([one for one in segments if one.silences], len(labels))),
        common,
        labels,
        grid,
        len(known),
        _journeys(known),
        silences.end_at,
        cleanup_ms,
    )


def _cleanup_ms(silences: Silences, horizon_ms: int) -> int:
    """Twice the history's length in whole days, so that none of its journeys is forgotten before it has doubled."""
    span = 2 * (silences.end_at - int(silences.begin.min()))
    return min(-(-max(span, horizon_ms, _LEAST_CLEANUP_MS) // DAY_MS), MOST_DAYS) * DAY_MS


_Fitted = tuple[int, list[tuple[Box, int, Promise | None]]]


def _at_a_price(cells: Cells, request: Request) -> _Fitted:
    assert request.price_ms is not None
    grid = cells.grid
    common = int(grid[best_threshold(hazards_of(cells.of(cells.whole).sum(0)), grid, request.price_ms)])
    boxes: dict[Box, int] = {
        one.box: int(grid[best_threshold(one.hazards, grid, request.price_ms)]) for one in grow(cells, request.price_ms)
    }
    return common, [(box, threshold, None) for box, threshold in _merged(boxes).items()]


def _promised(cells: Cells, known: Silences, places: CellPlaces, request: Request) -> _Fitted:
    """Always by touchpoints so far: their mix changes as a history grows, and with it what a pooled promise would say.

    States and labels are split off where they would at a price of the horizon for a wrong abandonment.
    """
    assert request.wrong_at_most is not None
    whole = cells.whole
    begin = [whole._replace(touchpoints=(step,)) for step in whole.touchpoints]
    segments = grow(cells, request.horizon_ms, begin=begin, most=len(begin) + 4)
    error = (1 - request.confidence) / len(segments)  # all promises together hold with the confidence
    boxes: list[tuple[Box, int, Promise | None]] = []
    for segment in segments:
        tested = promise(
            known.of(places.within(segment.box)),
            cells.grid,
            request.horizon_ms,
            wrong_at_most=request.wrong_at_most,
            error=error,
        )
        threshold = int(cells.grid[-1]) if tested.kept is None else tested.kept.threshold_ms
        boxes.append((segment.box, threshold, tested))
    return int(cells.grid[-1]), boxes


def _merged(boxes: dict[Box, int]) -> dict[Box, int]:
    """Boxes of one threshold that differ on one axis alone, as one."""
    merged = dict(boxes)
    for one in boxes:
        for other in boxes:
            if one == other or one not in merged or other not in merged or merged[one] != merged[other]:
                continue
            axes = [axis for axis, (mine, theirs) in enumerate(zip(one, other, strict=True)) if mine != theirs]
            joined = tuple(sorted(one[axes[0]] + other[axes[0]])) if len(axes) == 1 else ()
            if not joined or (axes == [0] and joined[-1] - joined[0] >= len(joined)):
                continue  # rules give an interval of touchpoints
            threshold = merged.pop(one)
            del merged[other]
            return _merged(merged | {one._replace(**{Box._fields[axes[0]]: joined}): threshold})
    return merged


def _thresholds(places: CellPlaces, common: int, boxes: list[tuple[Box, int, Promise | None]]) -> Array:
    thresholds = np.full(len(places.touchpoints), common)
    for box, threshold, _ in boxes:
        thresholds[places.within(box)] = threshold
    return thresholds


def _steps(touchpoints: Array) -> Array:
    return np.searchsorted(TOUCHPOINT_STEPS, touchpoints, side="right")


def _described(
    known: Silences, held: Array, box: Box, threshold: int, kept: Promise | None, request: Request
) -> ProposedSegment:
    own = known.of(held)
    curve = own.curve()
    return ProposedSegment(
        box,
        threshold,
        len(own),
        _journeys(own),
        curve,
        curve.share_by(threshold + request.horizon_ms, since=threshold),
        mean_waiting(curve, threshold),
        kept,
    )


def mean_waiting(curve: SurvivalCurve, threshold: int) -> float:
    """Mean in ms of how long a silence lasts, the threshold at most: the area below the curve."""
    end = int(np.searchsorted(curve.ages, threshold, side="left"))
    edges = np.concatenate([[0], curve.ages[:end], [threshold]])
    return float(np.sum(np.diff(edges) * np.concatenate([[1.0], curve.left[:end]])))


def _journeys(silences: Silences) -> int:
    return int(np.sum(silences.journey[1:] != silences.journey[:-1])) + 1 if len(silences) else 0


def _in_order_of_rules(segments: list[ProposedSegment], other: int) -> list[ProposedSegment]:
    """Those with labels of their own first: "any other label" is what is left for the rules behind them."""
    return sorted(segments, key=lambda one: (other in one.box.labels, one.box))


@dataclass(frozen=True, slots=True)
class RuleConditions:
    """Conditions of the rule of a segment; None and empty lists for any."""

    touchpoints_from: int | None
    touchpoints_to: int | None
    states: tuple[str, ...]
    labels: tuple[str, ...]


def conditions_of(box: Box, labels: tuple[str, ...]) -> RuleConditions:
    """What a rule asks for, so that it holds for the box, behind the rules before it."""
    first, last = box.touchpoints[0], box.touchpoints[-1]
    return RuleConditions(
        TOUCHPOINT_STEPS[first] if first else None,
        TOUCHPOINT_STEPS[last + 1] - 1 if last + 1 < len(TOUCHPOINT_STEPS) else None,
        () if len(box.states) == len(_STATES) else tuple(_STATES[place] for place in box.states),
        () if len(labels) in box.labels else tuple(labels[place] for place in box.labels),
    )


def segment_places(proposal: Proposal, silences: Silences) -> Array:
    """Place in `segments` of each silence, as the rules would hold under the proposed policy; -1 for none."""
    boxes = [(one.box, one.threshold_ms, one.promise) for one in proposal.segments]
    touchpoints = touchpoints_so_far(silences, np.full(len(silences), _NEVER_MS), _NEVER_MS)
    for _ in range(_MOST_ROUNDS):
        places = places_of(silences, touchpoints, proposal.labels)
        thresholds = _thresholds(places, proposal.threshold_ms, boxes)
        counted = touchpoints_so_far(silences, thresholds, proposal.cleanup_ms)
        if (_steps(counted) == _steps(touchpoints)).all():
            break
        touchpoints = counted
    held = np.full(len(silences), -1)
    for place, segment in enumerate(proposal.segments):
        held[places.within(segment.box)] = place
    return held
