"""A touchpoint in a trainer's or producer's types: dollars and datetimes. It is validated where it is appended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict
from uuid import uuid4

from training_orchestrator.api.local_time import instant_of

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from journeys.schemas.records import Touchpoint


class TouchpointFields(TypedDict, total=False):
    """Fields of a touchpoint beside its journey, typed for type checkers; TrainerTouchpoint explains them."""

    state: str | None
    cost: Decimal | float | str
    channel: str | None
    event_type: str | None
    occurred_at: datetime | None
    touchpoint_id: str | None
    user_id: str | None
    conversion_probability: float | None
    conversion_value: Decimal | float | str | None
    action_id: str | None
    policy_version: str | None
    propensity: float | None
    segment: str | None


@dataclass(frozen=True, slots=True)
class TrainerTouchpoint:
    """One impression, click or visit. Money is in dollars with at most 6 decimals; a naive datetime is local time.

    Without `occurred_at` it occurs now. Without `touchpoint_id` it gets a new one, so that recording it twice counts
    twice.
    """

    journey_id: str
    state: str | None = None
    cost: Decimal | float | str = 0
    channel: str | None = None
    event_type: str | None = None
    occurred_at: datetime | None = None
    touchpoint_id: str | None = None
    user_id: str | None = None
    conversion_probability: float | None = None
    conversion_value: Decimal | float | str | None = None
    action_id: str | None = None
    policy_version: str | None = None
    propensity: float | None = None
    segment: str | None = None

    def record(self, now_ms: int) -> Touchpoint:
        """Record of the input topic, not yet validated; occurs at `now_ms` without an `occurred_at`.

        Raises InvalidRecordError for money and times that can't be converted.
        """
        from journeys.schemas.money import dollars_to_micros  # noqa: PLC0415  (importing the package stays light)
        from journeys.schemas.records import Touchpoint  # noqa: PLC0415  (the same)

        value = self.conversion_value
        return Touchpoint(
            self.journey_id,
            self.user_id,
            str(uuid4()) if self.touchpoint_id is None else self.touchpoint_id,
            now_ms if self.occurred_at is None else instant_of(self.occurred_at, "occurred_at"),
            self.channel,
            self.event_type,
            self.state,
            dollars_to_micros(self.cost, "cost"),
            self.conversion_probability,
            None if value is None else dollars_to_micros(value, "conversion_value"),
            self.action_id,
            self.policy_version,
            self.propensity,
            self.segment,
        )
