"""The penalty that an abandonment would have, by the same formula as a real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.money import MICROS
from journeys.schemas.records import REASONS
from journeys.streams.rule.facts import Abandoned
from journeys.streams.rule.publish import Publisher
from training_orchestrator.api.abandonment import AbandonmentPenalty, AbandonmentReason
from training_orchestrator.api.answers import refusal_of

if TYPE_CHECKING:
    from journeys.streams.rule.row import Row


def cost_of(journey_id: str, row: Row | None, reason: str, now_ms: int) -> AbandonmentPenalty:
    """Penalty of the open episode if it were abandoned now, or at its deadline if that has passed.

    Raises InvalidRecordError for an unknown reason, JourneyRefusedError where no episode is open.
    """
    if reason not in REASONS:
        raise InvalidRecordError("reason", reason, "one of " + ", ".join(REASONS))
    if row is None or (not row.open and row.late_until is None):
        raise refusal_of(journey_id, "unknown_journey", None, None)
    if not row.open:
        refusal = "already_abandoned" if row.previous_was_abandoned else "already_converted"
        raise refusal_of(journey_id, refusal, row.previous_abandonment_id, row.previous_outcome)
    ended_at = min(max(now_ms, row.last_activity_at), row.deadline_at)
    penalty = Publisher(0, provenance=False).penalty(row, Abandoned(reason, ended_at, ended_at, None))
    return AbandonmentPenalty(
        penalty_amount=penalty.penalty_amount_micros / MICROS,
        opportunity_cost=penalty.opportunity_cost_micros / MICROS,
        abandonment_reason=AbandonmentReason(reason),
        days_active=penalty.days_active,
        touchpoint_count=row.touchpoint_count,
    )
