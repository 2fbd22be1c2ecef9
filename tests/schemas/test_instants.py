"""Instants as other programs write them, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.schemas.instants import EARLIEST, LATEST, format_instant, parse_instant
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.lines import parse_line

T0 = 1_760_000_000_000  # 2025-10-09T08:53:20Z
TOUCHPOINT = {"journey_id": "j", "touchpoint_id": "t", "occurred_at": T0, "cost": 1}


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2025-10-09T08:53:20Z", T0),
        ("2025-10-09t08:53:20z", T0),
        ("2025-10-09 08:53:20Z", T0),
        ("2025-10-09T08:53:20+00:00", T0),
        ("2025-10-09T08:53:20-00:00", T0),
        ("2025-10-09T14:23:20+05:30", T0),
        ("2025-10-08T21:53:20-11:00", T0),
        ("2025-10-10T08:52:20+23:59", T0),
        ("2025-10-09 08:53:20 UTC", T0),
        ("2025-10-09 08:53:20.000999 UTC", T0),
        ("2025-10-09 08:53:20 GMT", T0),
        ("2025-10-09 08:53:20 Z", T0),
        ("2025-10-09T03:53:20-0500", T0),
        ("2025-10-09 14:23:20 +0530", T0),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2016-12-31T23:59:60.5Z", 1_483_228_800_500),
        ("2025-10-09T08:53:20.5Z", T0 + 500),
        ("2025-10-09T08:53:20.05Z", T0 + 50),
        ("2025-10-09T08:53:20.001Z", T0 + 1),
        ("2025-10-09T08:53:20.000999Z", T0),
        ("2025-10-09T08:53:20.9999999999999999999Z", T0 + 999),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("2000-02-29T23:59:59Z", 951_868_799_000),
        ("1990-01-01T00:00:00Z", EARLIEST),
        ("8999-12-31T23:59:59.999Z", LATEST - 1),
        (T0, T0),
        (str(T0), T0),
        (EARLIEST, EARLIEST),
        (datetime(2025, 10, 9, 8, 53, 20, 999, tzinfo=UTC), T0),
        (datetime(2025, 10, 9, 10, 53, 20, 1000, tzinfo=timezone(timedelta(hours=2))), T0 + 1),
    ],
)
def test_instants(text, at):
    """RFC 3339 with any zone, or epoch milliseconds as a number or a cell; what is finer is floored."""
    assert parse_line(TOUCHPOINT | {"occurred_at": text}).occurred_at == at


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        " ",
        "yesterday",
        "2025-10-09",
        "2025-10-09T08:53Z",
        "2025-10-09T08:53:20",
        "2025-10-09T08:53:20.Z",
        "2025-10-09T08:53:20  Z",
        "2025-10-09T08:53:20 CET",
        "2025-10-09T08:53:20+053",
        "2025-10-09T08:53:61Z",
        "2025-10-09T08:53:20+24:00",
        "2025-10-09T08:53:20+01:60",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2025-13-01T00:00:00Z",
        "2025-10-09T24:00:00Z",
        "\uff12\uff10\uff12\uff15-10-09T08:53:20Z",
        "0000-01-01T00:00:00Z",
        "1989-12-31T23:59:59.999Z",
        "9000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        datetime(2025, 10, 9, 8, 53, 20),  # noqa: DTZ001  (a naive one is what is tested)
        datetime(2025, 10, 9, tzinfo=UTC).date(),
        0,
        EARLIEST - 1,
        LATEST,
        -T0,
        str(-T0),
        f"-{T0}",
        f"--{T0}",
        "+1",
        "٣",
        "²",
        "1" * 5000,
        True,
        float(T0),
        Decimal(T0),
        [T0],
    ],
)
def test_what_is_no_instant(value):
    """Without a zone, before 1990, after 8999, no number, no date: refused by the field's name."""
    for line, field in ((TOUCHPOINT, "occurred_at"), ({"kind": "punctuation"}, "at")):
        with pytest.raises(InvalidRecordError, match=f"^{field}: ") as caught:
            parse_line(line | {field: value})
        assert caught.value.field == field


@given(st.integers(EARLIEST, LATEST - 1), st.integers(-1439, 1439), st.integers(0, 999_999))
@settings(max_examples=100)
def test_instants_are_those_of_the_standard_library(at, zone, beyond):
    """What is written is read back, in every zone and with any fraction of a millisecond."""
    assert parse_instant(format_instant(at)) == at
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)
    assert format_instant(at) == moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1000:03d}Z"
    text = moment.astimezone(timezone(timedelta(minutes=zone))).isoformat(timespec="milliseconds")
    assert parse_instant(text) == at
    assert parse_instant(f"{text[:23]}{beyond:06d}{text[23:]}") == at
