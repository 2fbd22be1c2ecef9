"""Money as other programs write it: exact to the micro, or refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.lines import parse_line
from journeys.schemas.money import LARGEST_MICROS, dollars_to_micros, format_dollars

TOUCHPOINT = {"journey_id": "j", "touchpoint_id": "t", "occurred_at": 1_760_000_000_000, "cost": 1}
REGISTRATION = {"kind": "registration", "journey_id": "j", "occurred_at": 1_760_000_000_000}


def refusal(line):
    """Error of a line that must be refused."""
    with pytest.raises(InvalidRecordError) as caught:
        parse_line(line)
    return caught.value


MONEY = [
    (1, 1_000_000),
    ("1", 1_000_000),
    (1.5, 1_500_000),
    (0.1, 100_000),
    ("0.000001", 1),
    (0.000001, 1),
    (Decimal("12.345678"), 12_345_678),
    ("12.34567800000", 12_345_678),
    ("1e3", 1_000_000_000),
    ("0", 0),
    (0, 0),
    ("-0", 0),
    (-0.0, 0),
    ("0e-400", 0),
    (1_000_000_000, LARGEST_MICROS),
]
NO_MONEY = [
    "0.0000001",
    1e-7,
    "1.2345678",
    "1e-400",
    Decimal("1e-400"),
    "1e-999999999",
    "1e-99999999999999999999",
    -1,
    "-0.000001",
    "-1e-400",
    "NaN",
    "sNaN",
    "-Infinity",
    float("nan"),
    float("inf"),
    Decimal("NaN"),
    Decimal("sNaN"),
    "1000000000.000001",
    1_000_000_001,
    "1e400",
    "1e99999999999999999999",
    "9" * 100_000,
    "",
    "free",
    "$5",
    "1,5",
    "0x10",
    True,
    [],
    {},
]


@pytest.mark.parametrize(("value", "micros"), MONEY)
def test_money(value, micros):
    """Decimal dollars as a number or a text, exact to the micro; a float is its shortest decimal."""
    assert parse_line(TOUCHPOINT | {"cost": value}).cost_micros == micros
    assert parse_line(TOUCHPOINT | {"conversion_value": value}).conversion_value_micros == micros
    if micros:
        assert parse_line(REGISTRATION | {"budget": value}).budget_micros == micros


@pytest.mark.parametrize("value", NO_MONEY, ids=range(len(NO_MONEY)))
def test_what_is_no_money(value):
    """More than 6 decimals, negative, not finite, more than a billion, no number: refused by the field's name."""
    assert refusal(TOUCHPOINT | {"cost": value}).field == "cost"
    if value != "":
        assert refusal(TOUCHPOINT | {"conversion_value": value}).field == "conversion_value"
        assert refusal(REGISTRATION | {"budget": value}).field == "budget"


@given(st.integers(0, LARGEST_MICROS))
@settings(max_examples=200)
def test_money_is_exact_to_the_micro(micros):
    """As text, as a decimal, and with a seventh decimal refused."""
    whole, rest = divmod(micros, 1_000_000)
    assert dollars_to_micros(f"{whole}.{rest:06d}", "cost") == micros
    assert dollars_to_micros(Decimal(micros).scaleb(-6), "cost") == micros
    with pytest.raises(InvalidRecordError, match="cost"):
        dollars_to_micros(f"{whole}.{rest:06d}1", "cost")


@pytest.mark.parametrize(("value", "micros"), [(5, 5), ("5", 5), ("5.0", 5), (Decimal(5), 5), (5.0, 5), (0, 0)])
def test_cost_in_micros(value, micros):
    """A whole number, in place of the cost in dollars."""
    line = {**TOUCHPOINT, "cost": None, "cost_micros": value}
    assert parse_line(line).cost_micros == micros
    assert refusal(line | {"cost": 0}).field == "cost"


@pytest.mark.parametrize("value", [-1, 1.5, "1.5", "1e-999999999", LARGEST_MICROS + 1, "NaN", "x", True, []])
def test_what_is_no_cost_in_micros(value):
    """Refused by the field's name."""
    assert refusal({**TOUCHPOINT, "cost": None, "cost_micros": value}).field == "cost_micros"


def test_a_touchpoint_says_what_it_cost():
    """None at all is an error, a free one says 0."""
    assert refusal({**TOUCHPOINT, "cost": None}).field == "cost"


def test_dollars_for_people():
    """With cents and separators."""
    assert [format_dollars(micros) for micros in (1_234_560_000, 0, 5_000)] == ["1,234.56", "0.00", "0.01"]
