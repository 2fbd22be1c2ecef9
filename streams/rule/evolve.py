"""What a fact changes in the row of its journey."""

from __future__ import annotations

from typing import assert_never

from journeys.schemas.identity import command_hash
from journeys.schemas.money import LARGEST_SUM_MICROS
from journeys.schemas.records import CONVERTED, JourneyCommand, JourneyRegistered, JourneySignal, Touchpoint
from journeys.schemas.validation import LONGEST_MS
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
from journeys.streams.rule.policy import KEPT_TOUCHPOINTS, Policy
from journeys.streams.rule.row import HASH_BYTES, Row


def evolve(row: Row, fact: Fact, total_penalty_micros: int | None = None) -> None:
    """Write a fact into the row. `total_penalty_micros` is the penalty of an Abandoned."""
    match fact:
        case TouchpointApplied():
            apply_touchpoint(row, fact.touchpoint, fact.id_hash)
        case Abandoned():
            if isinstance(fact.cause, JourneySignal | JourneyCommand):
                _remember_request(row, fact.cause)
            _end(row, fact.ended_at, fact.late_until, fact.reason, total_penalty_micros)
        case Started():
            begin(row, fact.record.occurred_at, fact.record.user_id, fact.policy)
            if isinstance(fact.record, JourneyRegistered):
                _override(row, fact.record)
            row.derive()
        case Returned():
            begin(row, fact.touchpoint.occurred_at, fact.touchpoint.user_id, fact.policy)
            row.is_return = True
            row.derive()
        case Converted():
            quiet_until = fact.ended_at + row.policy.conversion_quiet_period_ms
            _end(row, fact.ended_at, quiet_until, CONVERTED, None)
        case Extended():
            row.extended_by_ms = min(row.extended_by_ms + (fact.command.extend_by_ms or 0), LONGEST_MS)
            _remember_request(row, fact.command)
            row.derive()
        case ExtendedAutomatically():
            row.extended_by_ms = min(row.extended_by_ms + fact.extended_by_ms, LONGEST_MS)
            row.derive()
        case OverridesChanged():
            _override(row, fact.registration)
            row.derive()
        case Duplicate() | Late() | Refused():
            pass  # remembered nowhere
        case _:
            assert_never(fact)


def apply_touchpoint(row: Row, touchpoint: Touchpoint, id_hash: bytes) -> None:
    """Count a touchpoint in the open episode, as TouchpointApplied says; `id_hash` is that of its id."""
    occurred_at = touchpoint.occurred_at
    row.touchpoint_count += 1
    total_cost_micros = row.total_cost_micros + touchpoint.cost_micros
    row.total_cost_micros = total_cost_micros if total_cost_micros < LARGEST_SUM_MICROS else LARGEST_SUM_MICROS  # noqa: FURB136
    row.remember(id_hash)
    latest_at = row.last_touchpoint_at
    if latest_at is None or occurred_at >= latest_at:
        row.last_touchpoint_at = occurred_at
        if occurred_at > row.last_activity_at:  # noqa: PLR1730  (a call to max costs three times as much here)
            row.last_activity_at = occurred_at
        _take_last_values(row, touchpoint)
    if row.policy.keeps_touchpoint_times:
        row.touchpoint_times = tuple(sorted((*row.touchpoint_times, occurred_at))[-KEPT_TOUCHPOINTS:])


def _take_last_values(row: Row, touchpoint: Touchpoint) -> None:
    """Take what the touchpoint carries of the values that the latest one gives; what is absent stays."""
    _, _, _, _, _, _, state, _, probability, value_micros, action_id, policy_version, propensity, _ = touchpoint
    if state is not None:
        row.state = state
    if probability is not None:
        row.conversion_probability = probability
    if value_micros is not None:
        row.conversion_value_micros = value_micros
    if action_id is not None:
        row.action_id = action_id
    if policy_version is not None:
        row.touchpoint_policy_version = policy_version
    if propensity is not None:
        row.propensity = propensity


def begin(row: Row, occurred_at: int, user_id: str | None, policy: Policy) -> None:
    """Open an episode in a row that has none: its episode's fields are as `clear_episode` leaves them."""
    row.open = True
    row.policy = policy
    row.policy_version = policy.version
    row.recent_ids = row.recent_ids[-policy.remembered_ids * HASH_BYTES :]
    row.user_id = user_id
    row.started_at = row.last_activity_at = occurred_at
    row.cleanup_at = None


def _override(row: Row, registration: JourneyRegistered) -> None:
    """Take the overrides that the registration carries; an absent one leaves the earlier."""
    if registration.timeout_ms is not None:
        row.timeout_ms = registration.timeout_ms
    if registration.inactivity_ms is not None:
        row.inactivity_ms = registration.inactivity_ms
    if registration.budget_micros is not None:
        row.budget_micros = registration.budget_micros


def _remember_request(row: Row, request: JourneySignal | JourneyCommand) -> None:
    if request.command_id is not None:
        row.remember(command_hash(request.command_id))


def _end(row: Row, ended_at: int, late_until: int, outcome: str, total_penalty_micros: int | None) -> None:
    """Close the row: the ended episode becomes the previous one."""
    row.previous_started_at = row.started_at
    row.previous_ended_at = ended_at
    row.late_until = late_until
    row.previous_outcome = outcome
    row.previous_total_penalty_micros = total_penalty_micros
    row.cleanup_at = ended_at + row.policy.cleanup_ms
    row.clear_episode()
