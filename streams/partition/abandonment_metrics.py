"""Metrics of abandonments, under the names that workers and managers share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from journeys.schemas import metrics
from journeys.schemas.metrics import Distribution, Sample
from journeys.schemas.money import MICROS
from journeys.streams.partition.abandonment_tally import DELAY_BOUNDS_MS, Tally

BY_DEADLINE: Final = frozenset({"TIMEOUT", "INACTIVITY"})
_MS: Final = 1_000
_BOUNDS: Final = tuple(bound / _MS for bound in DELAY_BOUNDS_MS)


def booked_samples(tally: Tally) -> Iterator[Sample]:
    """Abandonments, what they cost, and how late they were detected; averages and shares where there were any."""
    for reason, count in sorted(tally.by_reason.items()):
        yield Sample(metrics.ABANDONMENTS, count, (reason,))
    penalty = tally.total_penalty_micros / MICROS
    yield Sample(metrics.PENALTY, penalty)
    total = tally.by_reason.total()
    if total:
        yield Sample(metrics.AVERAGE_PENALTY, penalty / total)
        yield Sample(metrics.TIMEOUT_SHARE, sum(tally.by_reason[reason] for reason in BY_DEADLINE) / total)
    yield Sample(metrics.DETECTION_DELAY, delays_of(tally))


def delays_of(tally: Tally) -> Distribution:
    """How late abandonments were detected, in seconds."""
    return Distribution(_BOUNDS, tuple(tally.delays), tally.delay_ms / _MS)
