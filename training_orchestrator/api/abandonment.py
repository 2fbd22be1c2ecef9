"""Abandonments as the API gives them: reason, penalty in dollars, times."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from journeys.schemas.money import MICROS
from training_orchestrator.api.local_time import datetime_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from journeys.schemas.records import JourneyAbandoned

_MOST_ON_LOOP: Final = 1_000  # takes 7 ms


class AbandonmentReason(StrEnum):
    """Why an episode ended without a conversion. Members are equal to their names as text."""

    TIMEOUT = "TIMEOUT"
    INACTIVITY = "INACTIVITY"
    COMPETITOR_CONVERSION = "COMPETITOR_CONVERSION"
    BUDGET_EXHAUSTED = "BUDGET_EXHAUSTED"
    USER_FATIGUE = "USER_FATIGUE"
    MANUAL_TERMINATION = "MANUAL_TERMINATION"


@dataclass(frozen=True, slots=True)
class AbandonmentPenalty:
    """Penalty of an abandonment in dollars, by the formula in docs/penalty.md. Records hold whole micros."""

    penalty_amount: float
    opportunity_cost: float
    abandonment_reason: AbandonmentReason
    days_active: int
    touchpoint_count: int

    @property
    def total(self) -> float:
        """Sum of penalty and opportunity cost, computed in micros, so that 0.1 + 0.2 is 0.3."""
        return (round(self.penalty_amount * MICROS) + round(self.opportunity_cost * MICROS)) / MICROS


@dataclass(frozen=True, slots=True)
class AbandonedJourney:
    """One abandonment. Times are in UTC, money is in dollars.

    `abandoned_at` is the deadline or the time of an explicit end, `detected_at` the time at which the rule detected it,
    `last_touchpoint_at` None for a journey without touchpoints.
    """

    journey_id: str
    abandonment_id: str
    user_id: str | None
    reason: AbandonmentReason
    state: str
    started_at: datetime
    last_touchpoint_at: datetime | None
    abandoned_at: datetime
    detected_at: datetime
    total_cost: float
    penalty: AbandonmentPenalty

    @classmethod
    def of_record(cls, record: JourneyAbandoned, **more: Any) -> Self:
        """Converts a record of `journey-abandonments`; `more` are the fields of a subclass."""
        last = record.last_touchpoint_at
        return cls(
            journey_id=record.journey_id,
            abandonment_id=record.abandonment_id,
            user_id=record.user_id,
            reason=AbandonmentReason(record.abandonment_reason),
            state=record.state,
            started_at=datetime_of(record.started_at),
            last_touchpoint_at=None if last is None else datetime_of(last),
            abandoned_at=datetime_of(record.abandoned_at),
            detected_at=datetime_of(record.detected_at),
            total_cost=record.total_cost_micros / MICROS,
            penalty=penalty_of(record),
            **more,
        )


async def abandoned_journeys(records: Sequence[JourneyAbandoned]) -> list[AbandonedJourney]:
    """Converts records, in their order; many on a thread, so that the event loop is not blocked."""
    if len(records) <= _MOST_ON_LOOP:
        return [AbandonedJourney.of_record(record) for record in records]
    import asyncio  # noqa: PLC0415  (light imports)

    return await asyncio.to_thread(lambda: [AbandonedJourney.of_record(record) for record in records])


def penalty_of(record: JourneyAbandoned) -> AbandonmentPenalty:
    """Penalty of a record of `journey-abandonments`."""
    return AbandonmentPenalty(
        penalty_amount=record.penalty_amount_micros / MICROS,
        opportunity_cost=record.opportunity_cost_micros / MICROS,
        abandonment_reason=AbandonmentReason(record.abandonment_reason),
        days_active=record.days_active,
        touchpoint_count=record.touchpoint_count,
    )
