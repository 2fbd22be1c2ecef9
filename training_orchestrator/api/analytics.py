"""Abandonment analytics: sums over what was booked in the last days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from training_orchestrator.api.abandonment import AbandonedJourney


@dataclass(frozen=True, slots=True)
class AbandonmentAnalytics:
    """Sums over abandonments detected since `since` (UTC). Money is in dollars; averages are None without any."""

    since: datetime
    days: float
    abandonments: int
    journeys: int
    """Different journeys among them: one that returns may be abandoned again."""
    total_penalty: float
    total_cost: float
    """What was spent on the episodes that ended so."""
    average_penalty: float | None
    average_days_active: float | None
    by_reason: Mapping[str, int]
    penalty_by_reason: Mapping[str, float]
    by_state: Mapping[str, int]

    @classmethod
    def of(cls, found: Sequence[AbandonedJourney], since: datetime, days: float) -> AbandonmentAnalytics:
        """Sum up abandonments, each given once."""
        penalties: Counter[str] = Counter()
        for each in found:
            penalties[each.reason] += round(each.penalty.total * 1_000_000)
        count = len(found)
        total_micros = penalties.total()
        return cls(
            since=since,
            days=days,
            abandonments=count,
            journeys=len({each.journey_id for each in found}),
            total_penalty=total_micros / 1_000_000,
            total_cost=sum(round(each.total_cost * 1_000_000) for each in found) / 1_000_000,
            average_penalty=total_micros / 1_000_000 / count if count else None,
            average_days_active=sum(each.penalty.days_active for each in found) / count if count else None,
            by_reason=dict(Counter(str(each.reason) for each in found)),
            penalty_by_reason={str(reason): micros / 1_000_000 for reason, micros in penalties.items()},
            by_state=dict(Counter(each.state for each in found)),
        )
