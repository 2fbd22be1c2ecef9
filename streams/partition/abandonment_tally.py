"""Tally: running counts of abandonments by reason, their penalties, and their detection delays."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from journeys.schemas.records import JourneyAbandoned

DELAY_BOUNDS_MS: Final = (
    250,
    1_000,
    5_000,
    30_000,
    60_000,
    61_000,
    62_000,
    65_000,
    90_000,
    300_000,
    3_600_000,
    86_400_000,
)
"""Upper bounds of classes of delays; close where most delays lie: a minute's grace and the next punctuation."""


class Tally:
    """Running sums; each abandonment must be given once. `delays` has one class more than there are bounds."""

    __slots__ = ("by_reason", "delay_ms", "delays", "total_penalty_micros")

    def __init__(self) -> None:
        self.by_reason: Counter[str] = Counter()
        self.total_penalty_micros = 0
        self.delays = [0] * (len(DELAY_BOUNDS_MS) + 1)
        self.delay_ms = 0

    def abandonments(self, records: Sequence[JourneyAbandoned]) -> None:
        """Count abandonments."""
        for record in records:
            delay_ms = record.detected_at - record.abandoned_at
            self.by_reason[record.abandonment_reason] += 1
            self.total_penalty_micros += record.total_penalty_micros
            self.delays[bisect_left(DELAY_BOUNDS_MS, delay_ms)] += 1
            self.delay_ms += delay_ms

    def counted(
        self, by_reason: Mapping[str, int], total_penalty_micros: int, delays: Sequence[int], delay_ms: int
    ) -> None:
        """Add what somebody else has counted, under the same bounds."""
        self.by_reason.update(by_reason)
        self.total_penalty_micros += total_penalty_micros
        self.delays = [mine + more for mine, more in zip(self.delays, delays, strict=True)]
        self.delay_ms += delay_ms

    def add(self, other: Tally) -> None:
        """Add another one."""
        self.counted(other.by_reason, other.total_penalty_micros, other.delays, other.delay_ms)
