"""Abandonment analytics: sums over the abandonments of the last days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from journeys.schemas.money import MICROS
from training_orchestrator.api.abandonment import AbandonedJourney


@dataclass(frozen=True, slots=True)
class AbandonmentAnalytics:
    """Sums over abandonments detected since `since` (UTC). Money is in dollars; averages are None without any."""

    since: datetime
    days: float
    abandonments: int
    journeys: int
    """Distinct journeys among them: one that returns may be abandoned again."""
    total_penalty: float
    total_cost: float
    """Cost of the abandoned episodes."""
    average_penalty: float | None
    average_days_active: float | None
    by_reason: Mapping[str, int]
    penalty_by_reason: Mapping[str, float]
    by_state: Mapping[str, int]

    @classmethod
    def of(cls, abandoned: Sequence[AbandonedJourney], since: datetime, days: float) -> AbandonmentAnalytics:
        """Sums of abandonments; pass each once."""
        penalties: Counter[str] = Counter()
        for each in abandoned:
            penalties[each.reason] += round(each.penalty.total * MICROS)
        count = len(abandoned)
        total_micros = penalties.total()
        return cls(
            since=since,
            days=days,
            abandonments=count,
            journeys=len({each.journey_id for each in abandoned}),
            total_penalty=total_micros / MICROS,
            total_cost=sum(round(each.total_cost * MICROS) for each in abandoned) / MICROS,
            average_penalty=total_micros / MICROS / count if count else None,
            average_days_active=sum(each.penalty.days_active for each in abandoned) / count if count else None,
            by_reason=dict(Counter(str(each.reason) for each in abandoned)),
            penalty_by_reason={str(reason): micros / MICROS for reason, micros in penalties.items()},
            by_state=dict(Counter(each.state for each in abandoned)),
        )
