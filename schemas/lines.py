"""The line format: one JSON object a line, the same fields in CSV and Parquet.

Input lines become records, output records become lines. Instants are RFC 3339 or epoch
milliseconds coming in, RFC 3339 with milliseconds going out; money is dollars or micros coming in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from journeys.schemas.instants import DAY_MS, HOUR_MS, format_instant, parse_instant
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.money import LARGEST_MICROS, dollars_to_micros
from journeys.schemas.records import (
    ClockCorrected,
    InputRecord,
    JourneyAbandoned,
    JourneyCommand,
    JourneyLifecycle,
    JourneyRegistered,
    JourneySignal,
    Punctuation,
    Touchpoint,
)
from journeys.schemas.validation import check_lengths, validate

Line = Mapping[str, Any]
_EPOCH_DIGITS: Final = 18  # no instant has more; int() refuses thousands
_INSTANTS: Final = frozenset(
    {"started_at", "last_touchpoint_at", "abandoned_at", "detected_at", "occurred_at", "timeout_deadline_at"}
)

# Ids of a database are whole numbers; of these a text is made. Others, such as 1.0, could be written in several ways.
_IDS: Final = frozenset({"journey_id", "user_id", "touchpoint_id", "action_id", "command_id"})
_LARGEST_ID: Final = 2**64

FIELDS: Final = frozenset(
    {
        *("kind", "journey_id", "user_id", "occurred_at", "touchpoint_id", "channel", "event_type", "state"),
        *("cost", "cost_micros", "conversion_probability", "conversion_value"),
        "conversion_value_micros",
        *("action_id", "policy_version", "propensity", "segment"),
        *("signal", "command", "reason", "days", "command_id", "requested_by", "note"),
        *("timeout_days", "inactivity_hours", "budget", "at"),
    }
)
"""All that the format knows, of every kind of line."""


def parse_line(line: object) -> InputRecord:
    """Valid record of one line's object; raises InvalidRecordError naming the field.

    Fields that the format doesn't know are left alone: an export has columns of its own.
    """
    record = parse_unvalidated(line)
    validate(record)
    check_lengths(record)
    return record


def parse_unvalidated(line: object) -> InputRecord:
    """Record of one line's object for a writer of the log, which validates it itself; raises as `parse_line`."""
    if not isinstance(line, Mapping):
        raise InvalidRecordError("line", line, "a JSON object")
    kind = "touchpoint" if _absent(line, "kind") else line["kind"]
    parse = _KINDS.get(kind) if isinstance(kind, str) else None
    if parse is None:
        raise InvalidRecordError("kind", kind, "one of " + ", ".join(_KINDS))
    return parse(line)


def _touchpoint(line: Line) -> Touchpoint:
    return Touchpoint(
        journey_id=_required_text(line, "journey_id"),
        user_id=_text(line, "user_id"),
        touchpoint_id=_required_text(line, "touchpoint_id"),
        occurred_at=_instant(line, "occurred_at"),
        channel=_text(line, "channel"),
        event_type=_text(line, "event_type"),
        state=_text(line, "state"),
        cost_micros=_cost_micros(line),
        conversion_probability=_number(line, "conversion_probability"),
        conversion_value_micros=_value_micros(line),
        action_id=_text(line, "action_id"),
        policy_version=_text(line, "policy_version"),
        propensity=_number(line, "propensity"),
        segment=_text(line, "segment"),
    )


def _registration(line: Line) -> JourneyRegistered:
    return JourneyRegistered(
        journey_id=_required_text(line, "journey_id"),
        user_id=_text(line, "user_id"),
        occurred_at=_instant(line, "occurred_at"),
        timeout_ms=_duration_ms(line, "timeout_days", DAY_MS),
        inactivity_ms=_duration_ms(line, "inactivity_hours", HOUR_MS),
        budget_micros=_budget_micros(line),
        segment=_text(line, "segment"),
    )


def _signal(line: Line) -> JourneySignal:
    return JourneySignal(
        journey_id=_required_text(line, "journey_id"),
        occurred_at=_instant(line, "occurred_at"),
        signal=_required_text(line, "signal"),
        command_id=_text(line, "command_id"),
        requested_by=_text(line, "requested_by"),
        note=_text(line, "note"),
    )


def _command(line: Line) -> JourneyCommand:
    command = _required_text(line, "command")
    extends = command == "extend"
    if extends and _absent(line, "days"):
        raise InvalidRecordError("days", None, "a number of days above zero with the command extend")
    return JourneyCommand(
        journey_id=_required_text(line, "journey_id"),
        occurred_at=_instant(line, "occurred_at"),
        command=command,
        reason=None if extends else _text(line, "reason"),
        extend_by_ms=_duration_ms(line, "days", DAY_MS) if extends else None,
        command_id=_text(line, "command_id"),
        requested_by=_text(line, "requested_by"),
        note=_text(line, "note"),
    )


def _punctuation(line: Line) -> Punctuation:
    return Punctuation(at=_instant(line, "at"), time_source="simulated")


def _clock_corrected(line: Line) -> ClockCorrected:
    return ClockCorrected(_instant(line, "at"), _text(line, "requested_by"), _text(line, "note"))


_KINDS: Final[dict[str, Callable[[Line], InputRecord]]] = {
    "touchpoint": _touchpoint,
    "registration": _registration,
    "signal": _signal,
    "command": _command,
    "punctuation": _punctuation,
    "clock_corrected": _clock_corrected,
}


def _absent(line: Line, field: str) -> bool:
    # CSV says "nothing" as an empty cell.
    return line.get(field) in (None, "")


def _text(line: Line, field: str) -> str | None:
    if _absent(line, field):
        return None
    value = line[field]
    if isinstance(value, int) and not isinstance(value, bool) and field in _IDS and abs(value) < _LARGEST_ID:
        return str(value)
    if not isinstance(value, str):
        hint = ", or a whole number" if field in _IDS else ""
        raise InvalidRecordError(field, value, f"text{hint}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidRecordError(field, value, "text that UTF-8 can write (no lone surrogates)") from None
    return value


def _required_text(line: Line, field: str) -> str:
    value = _text(line, field)
    if value is None:
        raise InvalidRecordError(field, line.get(field), "text that is not empty")
    return value


def _instant(line: Line, field: str) -> int:
    value = line.get(field)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _EPOCH_DIGITS:
        value = int(value)  # a CSV cell of epoch milliseconds
    return parse_instant(value, field)


def _decimal(line: Line, field: str, expected: str) -> Decimal | None:
    if _absent(line, field):
        return None
    value = line[field]
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise InvalidRecordError(field, value, expected)
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        raise InvalidRecordError(field, value, expected)
    try:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except InvalidOperation:
        raise InvalidRecordError(field, value, expected) from None
    if not number.is_finite():
        raise InvalidRecordError(field, value, expected)
    return number


def _number(line: Line, field: str) -> float | None:
    number = _decimal(line, field, "a number from 0 to 1")
    return None if number is None else float(number)


def _dollars(line: Line, field: str) -> int | None:
    return None if _absent(line, field) else dollars_to_micros(line[field], field)


def _budget_micros(line: Line) -> int | None:
    micros = _dollars(line, "budget")
    if micros == 0:
        raise InvalidRecordError("budget", line["budget"], "dollars above zero")
    return micros


def _cost_micros(line: Line) -> int:
    micros = _either(line, "cost")
    if micros is None:
        raise InvalidRecordError("cost", None, "the cost in dollars, or cost_micros (0 for a free touchpoint)")
    return micros


def _value_micros(line: Line) -> int | None:
    return _either(line, "conversion_value")


def _either(line: Line, field: str) -> int | None:
    """An amount in dollars, or in micros under the name with _micros; None where it is absent."""
    in_micros = f"{field}_micros"
    if _absent(line, in_micros):
        return _dollars(line, field)
    if not _absent(line, field):
        raise InvalidRecordError(field, line[field], f"either {field} or {in_micros}, not both")
    expected = f"a whole number of micros from 0 to {LARGEST_MICROS}"
    micros = _decimal(line, in_micros, expected)
    if micros is None or not 0 <= micros <= LARGEST_MICROS or micros != micros.to_integral_value():
        raise InvalidRecordError(in_micros, line[in_micros], expected)
    return int(micros)


def _duration_ms(line: Line, field: str, unit_ms: int) -> int | None:
    expected = "a number above zero, at most a hundred years"
    number = _decimal(line, field, expected)
    if number is None:
        return None
    if not 0 < number <= 36_500 * DAY_MS // unit_ms or (milliseconds := int(number * unit_ms)) == 0:
        raise InvalidRecordError(field, line[field], expected)
    return milliseconds


def output_line(record: JourneyAbandoned | JourneyLifecycle) -> dict[str, Any]:
    """Fields of an output record as they are written to a line: instants in RFC 3339.

    An abandonment has all of its fields but provenance that it hasn't got; a lifecycle record only those it says.
    """
    keep_nulls = isinstance(record, JourneyAbandoned)
    line: dict[str, Any] = {}
    for field, value in zip(record._fields, record, strict=True):
        if value is None and (not keep_nulls or field.startswith("source_")):
            continue
        line[field] = format_instant(value) if field in _INSTANTS and isinstance(value, int) else value
    return line
