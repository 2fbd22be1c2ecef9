"""The line format: instants, money, numbers and words as other programs write them, and what is refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.schemas.codec import Codec
from journeys.schemas.instants import DAY_MS, HOUR_MS
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.lines import FIELDS, output_line, parse_line
from journeys.schemas.records import (
    ClockCorrected,
    DeadLetter,
    JourneyAbandoned,
    JourneyCommand,
    JourneyLifecycle,
    JourneyRegistered,
    JourneySignal,
    Punctuation,
    Touchpoint,
)
from tests.fixtures.record_examples import FULL, INPUTS

T0 = 1_760_000_000_000  # 2025-10-09T08:53:20Z
TOUCHPOINT = {"journey_id": "j", "touchpoint_id": "t", "occurred_at": T0, "cost": 1}
REGISTRATION = {"kind": "registration", "journey_id": "j", "occurred_at": T0}
SIGNAL = {"kind": "signal", "journey_id": "j", "occurred_at": T0, "signal": "fatigue"}
COMMAND = {"kind": "command", "journey_id": "j", "occurred_at": T0, "command": "abandon"}
HUGE = 10**5000  # more digits than Python turns into text
CODEC = Codec()


def refusal(line):
    """Error of a line that must be refused; its text can be written down."""
    with pytest.raises(InvalidRecordError) as caught:
        parse_line(line)
    assert str(caught.value).encode()
    return caught.value


def test_every_field_of_a_touchpoint_can_be_given():
    """Under its own name, money as dollars."""
    assert all(value != default for value, default in zip(FULL[4:], Touchpoint._field_defaults.values(), strict=True))
    line = {
        name.removesuffix("_micros"): value / 1_000_000 if name.endswith("_micros") else value
        for name, value in FULL._asdict().items()
    }
    assert parse_line(line) == FULL


def test_a_whole_touchpoint():
    """Every field of the format."""
    line = {
        "kind": "touchpoint",
        "journey_id": "j",
        "user_id": "ann",
        "occurred_at": "2025-10-09T08:53:20Z",
        "touchpoint_id": "t",
        "channel": "search",
        "event_type": "click",
        "state": "INTENT",
        "cost": "1.50",
        "conversion_probability": 0.25,
        "conversion_value": 90,
        "action_id": "a",
        "policy_version": "bids-1",
        "propensity": 1,
        "segment": "new",
        "what the format does not know": [1, 2],
    }
    assert parse_line(line) == Touchpoint(
        "j", "ann", "t", T0, "search", "click", "INTENT", 1_500_000, 0.25, 90_000_000, "a", "bids-1", 1.0, "new"
    )


def test_the_other_kinds():
    """Registration, signal, commands, punctuation, correction of the clock; durations in ms, money in micros."""
    said = {"command_id": "c", "requested_by": "ann", "note": "why"}
    own = {"user_id": "ann", "timeout_days": 1.5, "inactivity_hours": "36", "budget": "0.01", "segment": "new"}
    assert parse_line(REGISTRATION | own) == JourneyRegistered(
        "j", "ann", T0, 3 * DAY_MS // 2, 36 * HOUR_MS, 10_000, "new"
    )
    assert parse_line(REGISTRATION) == JourneyRegistered("j", None, T0)
    assert parse_line(SIGNAL | said) == JourneySignal("j", T0, "fatigue", "c", "ann", "why")
    assert parse_line(COMMAND | said) == JourneyCommand("j", T0, "abandon", None, None, "c", "ann", "why")
    assert parse_line(COMMAND | {"reason": "TIMEOUT"}).reason == "TIMEOUT"
    extend = COMMAND | {"command": "extend", "days": 7, "reason": "no matter"}
    assert parse_line(extend) == JourneyCommand("j", T0, "extend", None, 7 * DAY_MS)
    assert parse_line({"kind": "punctuation", "at": T0}) == Punctuation(T0, "simulated")
    corrected = {"kind": "clock_corrected", "at": T0, "requested_by": "ann", "note": "why"}
    assert parse_line(corrected) == ClockCorrected(T0, "ann", "why")


def test_whole_numbers_are_ids():
    """As databases give them."""
    ids = {"journey_id": 17, "user_id": 18, "touchpoint_id": 0, "action_id": -1}
    record = parse_line(TOUCHPOINT | ids)
    assert (record.journey_id, record.user_id, record.touchpoint_id, record.action_id) == ("17", "18", "0", "-1")


def test_values_in_micros():
    """As exports of the topics have them."""
    assert parse_line(TOUCHPOINT | {"conversion_value_micros": 90}).conversion_value_micros == 90
    assert parse_line(TOUCHPOINT | {"conversion_value_micros": "90"}).conversion_value_micros == 90


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ({"occurred_at": "2026-01-31 12:00:00"}, "no zone"),
        ({"occurred_at": "2026-01-31"}, "no zone"),
        ({"occurred_at": datetime(2026, 1, 31)}, "no zone"),  # noqa: DTZ001  (a naive one is what is tested)
        ({"occurred_at": T0 // 1000}, "looks like seconds"),
        ({"occurred_at": T0 * 1000}, "looks like microseconds"),
        ({"occurred_at": str(T0 * 1000)}, "looks like microseconds"),
        ({"occurred_at": T0 * 1_000_000}, "looks like nanoseconds"),
        ({"cost": 0.1 + 0.2}, "0.3 would be"),
        ({"journey_id": 1.0}, "whole number"),
    ],
)
def test_what_others_write_is_refused_with_a_hint(line, hint):
    """What it probably is, and what would help."""
    assert hint in str(refusal(TOUCHPOINT | line))


@pytest.mark.parametrize("absent", [None, ""])
def test_an_empty_cell_says_nothing(absent):
    """CSV has no other way; the kind is then touchpoint."""
    empty = dict.fromkeys(
        ("kind", "user_id", "channel", "state", "conversion_value", "cost_micros", "propensity"), absent
    )
    assert parse_line(TOUCHPOINT | empty) == parse_line(TOUCHPOINT)


@pytest.mark.parametrize("field", ["conversion_probability", "propensity"])
def test_probabilities(field):
    """From 0 to 1, whatever way they are written."""
    for value in (0, 1, 0.5, "0.5", Decimal("0.5"), -0.0):
        assert getattr(parse_line(TOUCHPOINT | {field: value}), field) == float(value)
    for value in (-0.1, 1.1, "2", "NaN", "inf", float("nan"), "1e400", "1e99999999999999999999", HUGE, True, "x", []):
        assert refusal(TOUCHPOINT | {field: value}).field == field


@pytest.mark.parametrize(
    ("line", "field"), [(REGISTRATION, "timeout_days"), (REGISTRATION, "inactivity_hours"), (COMMAND, "days")]
)
def test_durations(line, field):
    """Above zero, at least a millisecond, at most a hundred years."""
    line = line | {"command": "extend"}
    record = parse_line(line | {field: "0.5"})
    assert DAY_MS // 2 in record or HOUR_MS // 2 in record
    for value in (0, -1, "1e-9", "1e-999999999", "1e9", "1e99999999999999999999", HUGE, "NaN", "a week", True, []):
        assert refusal(line | {field: value}).field == field


def test_a_budget_is_above_zero():
    """A journey that may spend nothing is a mistake."""
    assert refusal(REGISTRATION | {"budget": 0}).field == "budget"


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (TOUCHPOINT | {"kind": "Touchpoint"}, "kind"),
        (TOUCHPOINT | {"kind": 5}, "kind"),
        (TOUCHPOINT | {"kind": ["touchpoint"]}, "kind"),
        (TOUCHPOINT | {"state": "HAPPY"}, "state"),
        (TOUCHPOINT | {"state": "aware"}, "state"),
        (TOUCHPOINT | {"state": 3}, "state"),
        (TOUCHPOINT | {"journey_id": ""}, "journey_id"),
        (TOUCHPOINT | {"journey_id": None}, "journey_id"),
        (TOUCHPOINT | {"journey_id": 17.5}, "journey_id"),
        (TOUCHPOINT | {"journey_id": True}, "journey_id"),
        (TOUCHPOINT | {"journey_id": 2**64}, "journey_id"),
        (TOUCHPOINT | {"journey_id": "\ud800"}, "journey_id"),
        (TOUCHPOINT | {"journey_id": "j" * 1001}, "journey_id"),
        (TOUCHPOINT | {"touchpoint_id": ""}, "touchpoint_id"),
        (TOUCHPOINT | {"user_id": 17.0}, "user_id"),
        (TOUCHPOINT | {"channel": 17}, "channel"),
        (TOUCHPOINT | {"channel": b"search"}, "channel"),
        (TOUCHPOINT | {"event_type": "x" * 1001}, "event_type"),
        (SIGNAL | {"signal": "boredom"}, "signal"),
        (SIGNAL | {"signal": None}, "signal"),
        (SIGNAL | {"note": "x" * 10_001}, "note"),
        (COMMAND | {"command": "stop"}, "command"),
        (COMMAND | {"command": ""}, "command"),
        (COMMAND | {"reason": "BOREDOM"}, "reason"),
        (COMMAND | {"command": "extend"}, "days"),
        (COMMAND | {"command_id": 5.5}, "command_id"),
        (TOUCHPOINT | {"cost": "1_000"}, "cost"),
        (TOUCHPOINT | {"cost": "\u0661"}, "cost"),
        (TOUCHPOINT | {"cost_micros": "1_000", "cost": None}, "cost_micros"),
        (TOUCHPOINT | {"propensity": "0_1"}, "propensity"),
        (TOUCHPOINT | {"conversion_value": 1, "conversion_value_micros": 1}, "conversion_value"),
        (COMMAND | {"requested_by": "x" * 1001}, "requested_by"),
    ],
)
def test_an_error_names_its_field(line, field):
    """And the value, and what would be right."""
    error = refusal(line)
    assert error.field == field
    assert str(error).startswith(f"{field}: ")
    assert str(error).endswith(f"; expected {error.expected}")


@pytest.mark.parametrize("line", [None, 5, "text", [TOUCHPOINT], True])
def test_what_is_no_object(line):
    """Refused as a line."""
    assert refusal(line).field == "line"


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (TOUCHPOINT, "occurred_at"),
        (TOUCHPOINT, "cost"),
        (TOUCHPOINT, "conversion_value"),
        (TOUCHPOINT | {"cost": None}, "cost_micros"),
        (TOUCHPOINT, "propensity"),
        (TOUCHPOINT, "journey_id"),
        (REGISTRATION, "timeout_days"),
        (REGISTRATION, "budget"),
    ],
)
def test_a_number_that_cannot_be_written_out(line, field):
    """Python refuses to turn more than 4300 digits into text, and so to show such a value."""
    assert refusal(line | {field: HUGE}).field == field


def test_a_long_value_is_shown_short():
    """An error is read by people."""
    assert len(str(refusal(TOUCHPOINT | {"journey_id": "x" * 100_000}))) < 300
    assert len(str(refusal(TOUCHPOINT | {"cost": "9" * 100_000}))) < 300
    nested = []
    for _ in range(10_000):
        nested = [nested]
    assert "this list" in str(refusal(TOUCHPOINT | {"user_id": nested}))


JUNK = [
    *(None, True, False, "", b"x", [], ["x"], {}, {"a": 1}, object(), datetime(2025, 1, 1), timedelta(1)),  # noqa: DTZ001
    *(Decimal("NaN"), Decimal("sNaN"), Decimal("1e-400"), Decimal("-1e999999"), Decimal("0.5"), "0.5", "NaN", "1e99"),
    *("--5", "-0", "1_0", " 7 ", "\ud800", "\x00", "AWARE", "extend", "signal", "2025-01-01T00:00:00Z", str(T0), T0),
]
SCALARS = st.sampled_from(JUNK) | st.integers() | st.floats() | st.text(st.characters(), max_size=8)
NAMES = {field for record in INPUTS for field in record._fields}
NAMES |= {"kind", "at", "cost", "conversion_value", "timeout_days", "inactivity_hours", "budget", "days"}


@given(
    st.sampled_from([TOUCHPOINT, REGISTRATION, SIGNAL, COMMAND, {"kind": "punctuation", "at": T0}]),
    st.dictionaries(st.sampled_from(sorted(NAMES)), SCALARS, max_size=3),
)
@settings(max_examples=250, deadline=None)
def test_whatever_a_line_holds_it_is_a_record_or_refused(line, more):
    """No other error; the record can be written to a topic, the error's text to a dead letter."""
    try:
        found = parse_line(line | more)
    except InvalidRecordError as error:
        said = DeadLetter("journey-events", 0, 0, str(error), None, None, None, 0, "")
        assert CODEC.decode(CODEC.encode(said)) == said
    else:
        assert CODEC.decode_input(CODEC.encode(found)) == found


def test_the_fields_of_the_format_are_those_that_are_read():
    """Of each kind of line, whatever it asks for is listed, and nothing else."""
    asked = set()

    class Line(dict):
        def get(self, field, default=None):
            asked.add(field)
            return super().get(field, default)

        def __getitem__(self, field):
            asked.add(field)
            return super().__getitem__(field)

    extend = COMMAND | {"command": "extend", "days": 1}
    for line in (TOUCHPOINT, REGISTRATION, SIGNAL, COMMAND, extend, {"kind": "punctuation", "at": T0}):
        parse_line(Line(line))
    assert asked == FIELDS


def test_an_abandonment_as_a_line():
    """All its fields but provenance that it hasn't got, instants with milliseconds and Z."""
    abandoned = JourneyAbandoned(
        *("a" * 32, "j", None, "TIMEOUT", "AWARE", T0, None, T0 + 1, T0 + 2, 1, 2, 3, 0.5, 4, 5, 6, 11),
        *(0.2, 0.3, 1.0, 1, "default-1", False, True, None, None, None, None, None, None, None, None, None),
    )
    line = output_line(abandoned)
    assert [line[field] for field in ("started_at", "abandoned_at", "detected_at", "last_touchpoint_at")] == [
        *("2025-10-09T08:53:20.000Z", "2025-10-09T08:53:20.001Z", "2025-10-09T08:53:20.002Z", None)
    ]
    assert list(line) == [field for field in JourneyAbandoned._fields if not field.startswith("source_")]
    assert (line["total_penalty_micros"], line["terminated"], line["conversion_probability"]) == (11, False, 0.5)
    from_kafka = output_line(abandoned._replace(source_topic="t", source_partition=0, source_offset=0))
    assert (from_kafka["source_partition"], from_kafka["source_offset"]) == (0, 0)


def test_a_lifecycle_record_as_a_line():
    """Only what it says."""
    started = JourneyLifecycle("a", "started", "j", None, T0, T0, started_at=T0, touchpoint_count=0)
    at = "2025-10-09T08:53:20.000Z"
    said = {"lifecycle_id": "a", "kind": "started", "journey_id": "j", "occurred_at": at, "detected_at": at}
    assert output_line(started) == said | {"started_at": at, "touchpoint_count": 0}
