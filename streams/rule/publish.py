"""What facts say to the outside: abandonments with their penalty, and lifecycle records."""

from __future__ import annotations

from typing import Any, assert_never

from journeys.schemas.identity import abandonment_id, lifecycle_id_from, origin_of
from journeys.schemas.records import (
    JourneyAbandoned,
    JourneyCommand,
    JourneyLifecycle,
    JourneyRegistered,
    JourneySignal,
    Touchpoint,
)
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.rule.facts import (
    Abandoned,
    Converted,
    Duplicate,
    Extended,
    ExtendedAutomatically,
    Fact,
    Late,
    OverridesChanged,
    Refused,
    Returned,
    Started,
    TouchpointApplied,
)
from journeys.streams.rule.penalty import PenaltyAmount, PenaltyTable, days_active
from journeys.streams.rule.row import Row

_TERMINATES = "COMPETITOR_CONVERSION"
# A union would be a new object each time that it is written down, and asked about more slowly.
_REQUESTS = (JourneySignal, JourneyCommand)


class Publisher:
    """Makes output records of facts, for one partition. `provenance` is False for files."""

    def __init__(self, partition: int, *, provenance: bool) -> None:
        self._partition = partition
        self._provenance = provenance
        self._origin = origin_of(JOURNEY_EVENTS, partition)
        self._penalties: dict[str, PenaltyTable] = {}

    def penalty(self, row: Row, fact: Abandoned) -> PenaltyAmount:
        """Penalty of the open episode that `fact` ends."""
        penalties = self._penalties.get(row.policy_version)
        if penalties is None:
            penalties = self._penalties[row.policy_version] = PenaltyTable(row.policy.penalty)
        return penalties.amount(
            total_cost_micros=row.total_cost_micros,
            state=row.state,
            reason=fact.reason,
            days=days_active(row.started_at, fact.ended_at),
            conversion_probability=row.conversion_probability,
            conversion_value_micros=row.conversion_value_micros,
        )

    def abandoned(
        self, row: Row, fact: Abandoned, penalty: PenaltyAmount, detected_at: int, last_offset: int
    ) -> JourneyAbandoned:
        """Abandonment of the open episode, before `evolve` closes it. `last_offset`: last record applied to it."""
        cause = fact.cause if isinstance(fact.cause, _REQUESTS) else None
        terminated = fact.reason == _TERMINATES
        topic, partition, source_offset = self._source(last_offset)
        # In the order of the schema's fields: naming 38 of them takes longer than all the rest.
        return JourneyAbandoned(
            abandonment_id(row.journey_id, row.started_at),
            row.journey_id,
            row.user_id,
            fact.reason,
            row.state,
            row.started_at,
            row.last_touchpoint_at,
            fact.ended_at,
            detected_at,
            penalty.days_active,
            row.touchpoint_count,
            row.total_cost_micros,
            penalty.conversion_probability,
            penalty.conversion_value_micros,
            penalty.penalty_amount_micros,
            penalty.opportunity_cost_micros,
            penalty.total_micros,
            penalty.state_weight,
            penalty.time_factor,
            penalty.reason_multiplier,
            row.policy.penalty.formula_version,
            row.policy_version,
            terminated,
            not terminated,
            row.action_id,
            row.touchpoint_policy_version,
            row.propensity,
            cause.command_id if cause else None,
            cause.requested_by if cause else None,
            cause.note if cause else None,
            topic,
            partition,
            source_offset,
            row.segment,
            row.journey_touchpoint_count,
            fact.deadline_rule,
            row.conversion_probability is None,
            row.conversion_value_micros is None,
        )

    def lifecycle(self, row: Row, fact: Fact, detected_at: int, offset: int) -> JourneyLifecycle | None:
        """Lifecycle record of a fact, None where it has none. `row` is as `evolve` left it."""
        match fact:
            case Started():
                return self.started(row, detected_at, offset)
            case Returned():
                return self.returned(row, fact.touchpoint.touchpoint_id, detected_at, offset, fact.converts_at_once)
            case Extended():
                fields = _request(fact.command) | {"extended_by_ms": fact.command.extend_by_ms}
                fields["timeout_deadline_at"] = row.timeout_deadline_at
                return self._lifecycle("extended", row, fact.command.occurred_at, detected_at, offset, **fields)
            case ExtendedAutomatically():
                fields = {"extended_by_ms": fact.extended_by_ms, "timeout_deadline_at": row.timeout_deadline_at}
                return self._lifecycle("extended_automatically", row, fact.due_at, detected_at, offset, **fields)
            case Late():
                return self._late(row, fact.touchpoint, detected_at, offset)
            case Refused():
                return self._refused(row, fact, detected_at, offset)
            case Duplicate() | TouchpointApplied() | OverridesChanged() | Abandoned() | Converted():
                return None
            case _:
                assert_never(fact)

    def started(self, row: Row, detected_at: int, offset: int) -> JourneyLifecycle:
        """Lifecycle record of an episode that begins, with nothing applied to it yet."""
        return self._lifecycle("started", row, row.started_at, detected_at, offset)

    def returned(
        self, row: Row, touchpoint_id: str, detected_at: int, offset: int, converts_at_once: bool
    ) -> JourneyLifecycle:
        """Lifecycle record of an episode that begins behind an abandonment, with nothing applied to it yet."""
        fields = _previous(row)
        fields["converts_at_once"] = converts_at_once
        fields["touchpoint_id"] = touchpoint_id
        return self._lifecycle("returned", row, row.started_at, detected_at, offset, **fields)

    def converted(self, row: Row, fact: Converted, detected_at: int, offset: int) -> JourneyLifecycle:
        """Lifecycle record of a conversion, before `evolve` closes the episode."""
        named = row.is_return and fact.ended_at < (row.previous_ended_at or 0) + row.policy.cleanup_ms
        fields = _previous(row) if named else {}
        fields["touchpoint_id"] = fact.touchpoint.touchpoint_id
        fields["conversion_value_micros"] = row.conversion_value_micros
        return self._lifecycle("converted", row, fact.ended_at, detected_at, offset, **fields)

    def _late(self, row: Row, touchpoint: Touchpoint, detected_at: int, offset: int) -> JourneyLifecycle:
        """It belongs to the last ended episode, whatever is open now."""
        topic, partition, source_offset = self._source(offset)
        return JourneyLifecycle(
            lifecycle_id=self._lifecycle_id("late_touchpoint", row.journey_id, offset),
            kind="late_touchpoint",
            journey_id=row.journey_id,
            user_id=touchpoint.user_id,
            occurred_at=touchpoint.occurred_at,
            detected_at=detected_at,
            started_at=row.previous_started_at,
            abandonment_id=row.previous_abandonment_id,
            abandonment_reason=row.previous_outcome if row.previous_was_abandoned else None,
            touchpoint_id=touchpoint.touchpoint_id,
            cost_micros=touchpoint.cost_micros,
            source_topic=topic,
            source_partition=partition,
            source_offset=source_offset,
        )

    def _refused(self, row: Row, fact: Refused, detected_at: int, offset: int) -> JourneyLifecycle:
        """It names the last ended episode, like a late touchpoint: the one that it comes too late for."""
        topic, partition, source_offset = self._source(offset)
        return JourneyLifecycle(
            lifecycle_id=self._lifecycle_id("refused", row.journey_id, offset),
            kind="refused",
            journey_id=row.journey_id,
            user_id=None,
            occurred_at=fact.record.occurred_at,
            detected_at=detected_at,
            started_at=row.previous_started_at,
            abandonment_id=row.previous_abandonment_id,
            abandonment_reason=row.previous_outcome if row.previous_was_abandoned else None,
            refused_kind=_kind(fact.record),
            refusal=fact.why,
            source_topic=topic,
            source_partition=partition,
            source_offset=source_offset,
            **_request(fact.record),
        )

    def _lifecycle(
        self, kind: str, row: Row, occurred_at: int, detected_at: int, offset: int, **fields: Any
    ) -> JourneyLifecycle:
        """Lifecycle record of the open episode."""
        topic, partition, source_offset = self._source(offset)
        return JourneyLifecycle(
            self._lifecycle_id(kind, row.journey_id, offset),
            kind,
            row.journey_id,
            row.user_id,
            occurred_at,
            detected_at,
            row.started_at,
            row.state,
            row.touchpoint_count,
            row.total_cost_micros,
            row.policy_version,
            source_topic=topic,
            source_partition=partition,
            source_offset=source_offset,
            **fields,
        )

    def _lifecycle_id(self, kind: str, journey_id: str, offset: int) -> str:
        return lifecycle_id_from(self._origin, offset, kind, journey_id)

    def _source(self, offset: int) -> tuple[str | None, int | None, int | None]:
        return (JOURNEY_EVENTS, self._partition, offset) if self._provenance else (None, None, None)


def _previous(row: Row) -> dict[str, Any]:
    return {
        "abandonment_id": row.previous_abandonment_id,
        "abandonment_reason": row.previous_outcome,
        "total_penalty_micros": row.previous_total_penalty_micros,
    }


def _request(record: JourneySignal | JourneyCommand | JourneyRegistered) -> dict[str, Any]:
    if isinstance(record, JourneyRegistered):
        return {}
    return {"command_id": record.command_id, "requested_by": record.requested_by, "note": record.note}


def _kind(record: JourneySignal | JourneyCommand | JourneyRegistered) -> str:
    if isinstance(record, JourneyRegistered):
        return "registration"
    return "signal" if isinstance(record, JourneySignal) else "command"
