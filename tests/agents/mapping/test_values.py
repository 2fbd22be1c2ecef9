"""Instants and money of a mapping: what DuckDB makes of a text is what exact arithmetic makes of it, or a fault."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journeys.agents.history.line_files import BadLine
from journeys.agents.history.open_history import open_history

_FROM, _TO = datetime.fromisoformat("1991-01-01"), datetime.fromisoformat("2037-01-01")  # local times
NOTHING_SHARED = [HealthCheck.function_scoped_fixture]


def mapped(folder, mapping, rows):
    """Records and bad lines of rows of `who`, `t` and `x`, by line."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["who", "t", "x"])
    writer.writerows([f"j{number}", *row] for number, row in enumerate(rows))
    (folder / "x.csv").write_text(text.getvalue(), "utf-8")
    (folder / "map.toml").write_text(mapping, "utf-8")
    with open_history([str(folder / "x.csv")], mapping=str(folder / "map.toml")) as file:
        return {
            one.number if isinstance(one, BadLine) else int(one[1].journey_id[1:]) + 2: one for one in file.records()
        }


def fields(time='{ column = "t" }', cost="0"):
    """A mapping with these two fields."""
    return f'[fields]\njourney_id = "who"\noccurred_at = {time}\ncost = {cost}\n'


NUMBERS = st.from_regex(r"[+-]?[0-9]{1,22}(\.[0-9]{0,12})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
JUNK = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n\0"), max_size=12)


@given(st.lists(NUMBERS | JUNK | st.decimals(0, 10**9, places=4).map(str), min_size=1, max_size=8))
@settings(max_examples=80, deadline=None, suppress_health_check=NOTHING_SHARED)
def test_money_is_exact_or_a_fault(tmp_path, texts):
    """Rounded half to even at a rate; whatever the text is, nothing but its own row is lost."""
    cost = '{ column = "x", rate = 1.0837, round = true }'
    found = mapped(tmp_path, fields(cost=cost), [("2026-01-31T00:00:00Z", text) for text in texts])
    assert sorted(found) == list(range(2, len(texts) + 2))
    for number, text in enumerate(texts, start=2):
        one = found[number]
        if isinstance(one, BadLine):
            assert str(one.error).startswith("cost: ")
            continue
        if not text.strip():
            assert one[1].cost_micros == 0
            continue
        # More than 8 decimals are rounded to 8 first.
        amount = Decimal(text.strip()).quantize(Decimal("0.00000001"), rounding="ROUND_HALF_UP")
        assert one[1].cost_micros == int((amount * 1_083_700).to_integral_value(ROUND_HALF_EVEN))


@pytest.mark.parametrize(("unit", "ns"), [("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1), (None, 0)])
def test_numbers_are_instants_by_their_unit_or_their_size(tmp_path, unit, ns):
    """Floored to the millisecond, exact to the nanosecond; by size where no unit is said."""
    instants = [1_609_459_200_123_999_999, 946_684_800_000_000_000, 4_000_000_000_999_999_999]
    texts = [str(at // (ns or 1000)) for at in instants]
    time = '{ column = "t" }' if unit is None else f'{{ column = "t", unit = "{unit}" }}'
    found = mapped(tmp_path, fields(time), [(text, "") for text in texts])
    floored = [at // 10**6 if ns <= 10**6 else at // 10**9 * 1000 for at in instants]
    assert [found[number][1].occurred_at for number in range(2, 5)] == floored


@given(st.lists(NUMBERS | JUNK, min_size=1, max_size=8), st.sampled_from(["s", "ms", "us", "ns", None]))
@settings(max_examples=80, deadline=None, suppress_health_check=NOTHING_SHARED)
def test_whatever_stands_for_a_time_costs_its_own_row(tmp_path, texts, unit):
    """No text ends the reading."""
    time = '{ column = "t", zone = "UTC" }' if unit is None else f'{{ column = "t", unit = "{unit}" }}'
    found = mapped(tmp_path, fields(time), [(text, "") for text in texts])
    assert sorted(found) == list(range(2, len(texts) + 2))


@given(
    st.datetimes(_FROM, _TO),
    st.sampled_from(["Europe/Berlin", "America/New_York", "UTC"]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=NOTHING_SHARED)
def test_local_times_are_in_their_zone(tmp_path, local, zone):
    """As the IANA database has it; at a change of the clock either of its two readings."""
    found = mapped(tmp_path, fields(f'{{ column = "t", zone = "{zone}" }}'), [(str(local), "")])
    readings = {
        int(local.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC).timestamp() * 1000 // 1) for fold in (0, 1)
    }
    at = found[2][1].occurred_at
    assert min(abs(at - one) for one in readings) <= 1


@pytest.mark.parametrize(
    "text",
    [
        *(
            "2026-01-31T12:00:00Z",
            "2026-01-31 12:00:00 UTC",
            "2026-01-31 07:00:00 -0500",
            "2026-01-31T13:00:00.000+01:00",
        ),
        *("2026-01-31 12:00:00", "2026-01-31T12:00", "2026-01-31 13:00:00+01", "2026-01-31 11:59:60 GMT"),
    ],
)
def test_one_instant_in_many_forms(tmp_path, text):
    """With a zone of its own, or in that of the mapping."""
    found = mapped(tmp_path, fields('{ column = "t", zone = "UTC" }'), [(text, "")])
    assert found[2][1].occurred_at == 1_769_860_800_000


def test_seventeen_digits_are_no_microseconds(tmp_path):
    """A date as digits is not taken for a time far away."""
    found = mapped(tmp_path, fields(), [("20130606000104000", ""), ("20130606", "")])
    assert all(isinstance(one, BadLine) for one in found.values())
