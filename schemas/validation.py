"""What a record of `journey-events` must satisfy beyond its Avro types."""

from __future__ import annotations

from numbers import Real
from types import NoneType
from typing import Any, NamedTuple, get_type_hints

from journeys.schemas.instants import DAY_MS, EARLIEST, LATEST, check_instant
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.money import LARGEST_MICROS, check_micros
from journeys.schemas.records import (
    COMMANDS,
    REASONS,
    SIGNALS,
    STATES,
    TIME_SOURCES,
    ClockCorrected,
    InputRecord,
    JourneyCommand,
    JourneyRegistered,
    JourneySignal,
    PolicyChanged,
    Punctuation,
    TimeSourceChanged,
    Touchpoint,
)

_STATES = frozenset(STATES)
# Longer than any cap on a journey, short enough for sums of instants and durations in 64 bits.
LONGEST_MS = 36_500 * DAY_MS


# Ids and names; rows and outputs repeat them, and must fit one message whatever a producer sends.
LONGEST_TEXT = 1_000
LONGEST_NOTE = 10_000
# A label of few values: each row keeps it, and conditions of policies name it.
LONGEST_SEGMENT = 200


def check_input(record: InputRecord) -> None:
    """Raise InvalidRecordError, naming the field, unless the record may be appended to the log: types, values, lengths.

    Each writer of the log calls it, once for each record, and nobody else does. Decoded records have the right types.
    """
    is_any_long = False
    for field, value in zip(_TYPED_FIELDS[type(record)], record, strict=True):
        if type(value) not in field.common and (isinstance(value, bool) or not isinstance(value, field.kind)):
            raise InvalidRecordError(field.name, value, field.expected)
        if isinstance(value, str):
            is_any_long |= len(value) > LONGEST_TEXT
            if not value.isascii():
                _require_utf8(value, field.name)
    validate(record)
    if is_any_long:
        check_lengths(record)


def check_lengths(record: InputRecord) -> None:
    """Raise InvalidRecordError for text longer than 1,000 characters (a note: 10,000; a policy: any)."""
    for field, value in zip(record._fields, record, strict=True):
        if isinstance(value, str) and len(value) > LONGEST_TEXT and field != "policy":
            longest = LONGEST_NOTE if field == "note" else LONGEST_TEXT
            if len(value) > longest:
                raise InvalidRecordError(field, f"{len(value)} characters", f"at most {longest} characters")


def _require_utf8(value: str, field: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidRecordError(field, value, "text that UTF-8 can encode (no lone surrogates)") from None


class _TypedField(NamedTuple):
    name: str
    common: frozenset[type]
    """Types that need no second look, which is the expensive one."""
    kind: Any
    expected: str


def validate(record: InputRecord) -> None:
    """Raise InvalidRecordError, naming the field, unless the record is allowed."""
    _CHECKS[type(record)](record)


def _touchpoint(record: Touchpoint) -> None:
    # One expression for the common case: this runs for every touchpoint of the live path.
    if (
        record.journey_id
        and record.touchpoint_id
        and EARLIEST <= record.occurred_at < LATEST
        and 0 <= record.cost_micros <= LARGEST_MICROS
        and (record.state is None or record.state in _STATES)
        and (record.conversion_probability is None or 0 <= record.conversion_probability <= 1)
        and (record.conversion_value_micros is None or 0 <= record.conversion_value_micros <= LARGEST_MICROS)
        and (record.propensity is None or 0 <= record.propensity <= 1)
        and (record.segment is None or 0 < len(record.segment) <= LONGEST_SEGMENT)
    ):
        return
    _not_empty(record.journey_id, "journey_id")
    _not_empty(record.touchpoint_id, "touchpoint_id")
    check_instant(record.occurred_at)
    check_micros(record.cost_micros, "cost_micros")
    if record.state is not None:
        _one_of(record.state, STATES, "state")
    _probability(record.conversion_probability, "conversion_probability")
    if record.conversion_value_micros is not None:
        check_micros(record.conversion_value_micros, "conversion_value_micros")
    _probability(record.propensity, "propensity")
    _segment(record.segment)


def _registration(record: JourneyRegistered) -> None:
    _not_empty(record.journey_id, "journey_id")
    check_instant(record.occurred_at)
    _duration(record.timeout_ms, "timeout_ms")
    _duration(record.inactivity_ms, "inactivity_ms")
    if record.budget_micros is not None:
        if record.budget_micros == 0:
            raise InvalidRecordError("budget_micros", 0, "a budget above zero")
        check_micros(record.budget_micros, "budget_micros")
    _segment(record.segment)


def _signal(record: JourneySignal) -> None:
    _not_empty(record.journey_id, "journey_id")
    check_instant(record.occurred_at)
    _one_of(record.signal, tuple(SIGNALS), "signal")


def _command(record: JourneyCommand) -> None:
    _not_empty(record.journey_id, "journey_id")
    check_instant(record.occurred_at)
    _one_of(record.command, COMMANDS, "command")
    if record.command == "abandon" and record.reason is not None:
        _one_of(record.reason, REASONS, "reason")
    if record.command == "extend":
        if record.extend_by_ms is None:
            raise InvalidRecordError("extend_by_ms", None, "milliseconds above zero with the command extend")
        _duration(record.extend_by_ms, "extend_by_ms")


def _policy_changed(record: PolicyChanged) -> None:
    _not_empty(record.policy_version, "policy_version")


def _punctuation(record: Punctuation) -> None:
    check_instant(record.at, "at")
    _one_of(record.time_source, TIME_SOURCES, "time_source")
    if record.rule_version is not None and record.rule_version < 1:
        raise InvalidRecordError("rule_version", record.rule_version, "1 or more, or none for 1")


def _clock_corrected(record: ClockCorrected) -> None:
    check_instant(record.at, "at")


def _time_source_changed(record: TimeSourceChanged) -> None:
    if record.time_source != "live":
        raise InvalidRecordError("time_source", record.time_source, "live: time that is live stays so")


def _not_empty(value: str, field: str) -> None:
    if not value:
        raise InvalidRecordError(field, value, "text that is not empty")


def _segment(value: str | None) -> None:
    if value is not None and not 0 < len(value) <= LONGEST_SEGMENT:
        shown = value if not value else f"{len(value)} characters"
        raise InvalidRecordError("segment", shown, f"1 to {LONGEST_SEGMENT} characters, or null")


def _one_of(value: str, allowed: tuple[str, ...], field: str) -> None:
    if value not in allowed:
        raise InvalidRecordError(field, value, "one of " + ", ".join(allowed))


def _probability(value: float | None, field: str) -> None:
    if value is not None and not 0 <= value <= 1:
        raise InvalidRecordError(field, value, "a number from 0 to 1")


def _duration(value: int | None, field: str) -> None:
    if value is not None and not 0 < value <= LONGEST_MS:
        raise InvalidRecordError(field, value, f"milliseconds above zero, at most {LONGEST_MS}")


_TYPES: dict[Any, tuple[frozenset[type], Any, str]] = {
    str: (frozenset({str}), str, "text"),
    str | None: (frozenset({str, NoneType}), str, "text or None"),
    int: (frozenset({int}), int, "a whole number"),
    int | None: (frozenset({int, NoneType}), int, "a whole number or None"),
    float | None: (frozenset({float, NoneType}), Real, "a number or None"),
}
_TYPED_FIELDS: dict[type, list[_TypedField]] = {
    kind: [_TypedField(name, *_TYPES[hint]) for name, hint in get_type_hints(kind).items()]
    for kind in (
        Touchpoint,
        JourneyRegistered,
        JourneySignal,
        JourneyCommand,
        PolicyChanged,
        Punctuation,
        ClockCorrected,
        TimeSourceChanged,
    )
}
_CHECKS: dict[type, Any] = {
    Touchpoint: _touchpoint,
    JourneyRegistered: _registration,
    JourneySignal: _signal,
    JourneyCommand: _command,
    PolicyChanged: _policy_changed,
    Punctuation: _punctuation,
    ClockCorrected: _clock_corrected,
    TimeSourceChanged: _time_source_changed,
}
