"""The records of the topics as tuples, fields in the order of their Avro schemas.

Instants are epoch milliseconds UTC, durations end in _ms, money in _micros.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

State: TypeAlias = Literal["UNAWARE", "AWARE", "CONSIDERING", "INTENT", "CONVERTED"]
STATES: Final = ("UNAWARE", "AWARE", "CONSIDERING", "INTENT", "CONVERTED")
CONVERTED: Final = "CONVERTED"

Reason: TypeAlias = Literal[
    "TIMEOUT",
    "INACTIVITY",
    "COMPETITOR_CONVERSION",
    "BUDGET_EXHAUSTED",
    "USER_FATIGUE",
    "MANUAL_TERMINATION",
]
REASONS: Final = (
    "TIMEOUT",
    "INACTIVITY",
    "COMPETITOR_CONVERSION",
    "BUDGET_EXHAUSTED",
    "USER_FATIGUE",
    "MANUAL_TERMINATION",
)
# What another system may signal, and the reason that it stands for.
SIGNALS: Final[dict[str, str]] = {
    "competitor_conversion": "COMPETITOR_CONVERSION",
    "budget_exhausted": "BUDGET_EXHAUSTED",
    "fatigue": "USER_FATIGUE",
}
COMMANDS: Final = ("abandon", "extend")
TIME_SOURCES: Final = ("live", "simulated")


class Touchpoint(NamedTuple):
    """One impression, click or visit."""

    journey_id: str
    user_id: str | None
    touchpoint_id: str
    occurred_at: int
    channel: str | None = None
    event_type: str | None = None
    state: str | None = None
    cost_micros: int = 0
    conversion_probability: float | None = None
    conversion_value_micros: int | None = None
    action_id: str | None = None
    policy_version: str | None = None
    propensity: float | None = None
    segment: str | None = None


class JourneyRegistered(NamedTuple):
    """Opens an episode without a touchpoint, or changes a journey's overrides."""

    journey_id: str
    user_id: str | None
    occurred_at: int
    timeout_ms: int | None = None
    inactivity_ms: int | None = None
    budget_micros: int | None = None
    segment: str | None = None


class JourneySignal(NamedTuple):
    """Word from another system that a journey has ended."""

    journey_id: str
    occurred_at: int
    signal: str
    command_id: str | None = None
    requested_by: str | None = None
    note: str | None = None


class JourneyCommand(NamedTuple):
    """A person's or trainer's command on a journey."""

    journey_id: str
    occurred_at: int
    command: str
    reason: str | None = None
    extend_by_ms: int | None = None
    command_id: str | None = None
    requested_by: str | None = None
    note: str | None = None


class PolicyChanged(NamedTuple):
    """Puts a policy in force for the episodes that begin behind it."""

    policy_version: str
    policy: str
    occurred_at: int
    requested_by: str | None = None


class Punctuation(NamedTuple):
    """Time as a record."""

    at: int
    time_source: str
    written_by: str | None = None
    rule_version: int | None = None


class ClockCorrected(NamedTuple):
    """Sets the clock of its partition by hand."""

    at: int
    requested_by: str | None = None
    note: str | None = None


class TimeSourceChanged(NamedTuple):
    """Turns a partition with simulated time into a live one, by hand."""

    time_source: str
    requested_by: str | None = None
    note: str | None = None


class OffsetSkipped(NamedTuple):
    """A mark: the record at an offset is a dead letter for every reader."""

    offset: int
    reason: str
    written_by: str | None = None


class SchemaDecided(NamedTuple):
    """A mark: how records of a schema id are read, by a schema or not at all."""

    schema_id: int
    schema: str | None = None
    refusal: str | None = None
    written_by: str | None = None


Mark: TypeAlias = OffsetSkipped | SchemaDecided
JourneyRecord: TypeAlias = Touchpoint | JourneyRegistered | JourneySignal | JourneyCommand
InputRecord: TypeAlias = JourneyRecord | PolicyChanged | Punctuation | ClockCorrected | TimeSourceChanged


class JourneyAbandoned(NamedTuple):
    """An episode that ended without a conversion, and its penalty."""

    abandonment_id: str
    journey_id: str
    user_id: str | None
    abandonment_reason: str
    state: str
    started_at: int
    last_touchpoint_at: int | None
    abandoned_at: int
    detected_at: int
    days_active: int
    touchpoint_count: int
    total_cost_micros: int
    conversion_probability: float
    conversion_value_micros: int
    penalty_amount_micros: int
    opportunity_cost_micros: int
    total_penalty_micros: int
    state_weight: float
    time_factor: float
    reason_multiplier: float
    formula_version: int
    policy_version: str
    terminated: bool
    truncated: bool
    action_id: str | None
    touchpoint_policy_version: str | None
    propensity: float | None
    command_id: str | None
    requested_by: str | None
    note: str | None
    source_topic: str | None
    source_partition: int | None
    source_offset: int | None
    segment: str | None = None
    journey_touchpoint_count: int | None = None
    deadline_rule: str | None = None
    probability_assumed: bool | None = None
    value_assumed: bool | None = None


class JourneyLifecycle(NamedTuple):
    """What happens to journeys beside abandonment."""

    lifecycle_id: str
    kind: str
    journey_id: str
    user_id: str | None
    occurred_at: int
    detected_at: int
    started_at: int | None = None
    state: str | None = None
    touchpoint_count: int | None = None
    total_cost_micros: int | None = None
    policy_version: str | None = None
    abandonment_id: str | None = None
    abandonment_reason: str | None = None
    total_penalty_micros: int | None = None
    converts_at_once: bool | None = None
    conversion_value_micros: int | None = None
    extended_by_ms: int | None = None
    timeout_deadline_at: int | None = None
    touchpoint_id: str | None = None
    cost_micros: int | None = None
    refused_kind: str | None = None
    refusal: str | None = None
    command_id: str | None = None
    requested_by: str | None = None
    note: str | None = None
    source_topic: str | None = None
    source_partition: int | None = None
    source_offset: int | None = None


class DeadLetter(NamedTuple):
    """A record that could not be read or is not allowed."""

    topic: str
    partition: int
    offset: int
    reason: str
    append_time: int | None
    record_key: bytes | None
    record_value: bytes | None
    value_size: int
    value_sha256: str


OutputRecord: TypeAlias = JourneyAbandoned | JourneyLifecycle | DeadLetter
