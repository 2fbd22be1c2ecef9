"""A mapping at the JSON door: each line becomes its records, or says why not."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import pytest

from journeys.agents.listen.intake import Outcome
from journeys.agents.listen.line_mapping import LineMapping
from journeys.agents.listen.request_body import Line, json_lines
from journeys.agents.mapping.mapping_file import InvalidMappingError, LoadedMapping, load_mapping, parse_mapping
from journeys.schemas.lines import parse_line
from journeys.schemas.records import Touchpoint

SAMPLES = Path(__file__).resolve().parents[2] / "examples" / "your-data"
TEXT = """
[fields]
journey_id = "user"
touchpoint_id = { first = ["id"], optional = true }
occurred_at = { column = "ts", unit = "ms" }
event_type = "event"
cost = { column = "cost", round = true }
[events]
view = "AWARE"
refund = "skip"
"""


def mapping(text=TEXT):
    """The mapping of a text."""
    return LineMapping(LoadedMapping(parse_mapping(text, "here"), Path(), "here"))


def applied(one, lines):
    """What becomes of lines."""
    return asyncio.run(one.apply(lines))


def event(number, **more):
    """A line with an event."""
    given = {
        "user": "u",
        "id": f"e-{number}",
        "ts": 1_760_000_000_000 + number,
        "event": "view",
        "cost": Decimal("0.1"),
    }
    return Line(number, given | more)


def test_each_line_becomes_a_record_or_says_why_not():
    """In the order of the lines, under their numbers; what is no object stands as it is."""
    lines = [event(1), event(2, event="refund"), Line(3, 7), event(4, ts="never"), event(5, event="other"), event(6)]
    first, skipped, number, bad, unknown, last = applied(mapping(), lines)
    records = [parse_line(one.value) for one in (first, last)]
    assert [(one.touchpoint_id, one.state, one.cost_micros) for one in records] == [
        ("e-1", "AWARE", 100_000),
        ("e-6", "AWARE", 100_000),
    ]
    assert [(type(one), one.line, one.status) for one in (skipped, unknown)] == [
        (Outcome, 2, "left_out"),
        (Outcome, 5, "left_out"),
    ]
    assert number == Line(3, 7)
    assert (bad.number, "occurred_at" in str(bad.error)) == (4, True)


def test_a_request_that_comes_again_has_the_same_ids():
    """Where records have none of their own, content and line make them; other content has others."""
    one = mapping()
    lines = [event(number, id=None) for number in (1, 2)]
    said, again = ([line.value["touchpoint_id"] for line in applied(one, lines)] for _ in range(2))
    assert said == again
    assert len(set(said)) == 2
    other = [line.value["touchpoint_id"] for line in applied(one, [event(1, id=None), event(3, id=None)])]
    assert not set(said) & set(other)


def test_a_column_that_no_line_has_is_as_an_empty_one():
    """An event lacks what others have; what must be there is told line by line, and the door goes on."""
    view = {"user": "u", "ts": 1_760_000_000_000, "event": "view"}
    free, empty = applied(mapping(), [Line(1, view), Line(2, {"event": "view"})])
    assert parse_line(free.value).touchpoint_id.endswith(":1")
    assert (empty.number, str(empty.error).startswith("journey_id")) == (2, True)
    (other,) = applied(mapping(), [Line(1, {"other": 1})])
    assert (other.status, other.line) == ("left_out", 1)
    assert applied(mapping(), []) == []


@pytest.mark.parametrize("preset", ["segment", "mixpanel", "ga4"])
def test_presets_take_their_samples(preset):
    """As `replay --map` does: the same records."""
    lines = json_lines((SAMPLES / f"{preset}.jsonl").read_bytes())
    found = applied(LineMapping(load_mapping(preset)), lines)
    records = [parse_line(one.value) for one in found if isinstance(one, Line) and one.error is None]
    assert sum(isinstance(record, Touchpoint) for record in records) == 185
    assert len({record.touchpoint_id for record in records}) == 185


def test_what_needs_more_than_a_request_is_refused():
    """Daily spend is shared by all of a day; CSV is no JSON."""
    daily = TEXT.replace(
        'cost = { column = "cost", round = true }',
        'cost = { daily = { file = "spend.csv", day = "day", amount = "usd" } }',
    )
    with pytest.raises(InvalidMappingError, match=r"fields\.cost: daily spend is shared"):
        mapping(daily)
    with pytest.raises(InvalidMappingError, match="csv is not allowed here; expected JSON"):
        mapping('[file]\nformat = "csv"\n' + TEXT)


def test_values_are_those_of_the_line():
    """Decimals come in exactly, whatever else is in the object."""
    (found,) = applied(mapping(), [event(1, cost=Decimal("0.000001"), other={"a": [Decimal("1e400"), None]})])
    assert parse_line(found.value).cost_micros == 1
    assert json.dumps(found.value, default=str)


def test_each_line_is_alone():
    """What a request holds besides changes nothing; an expression that needs other rows is refused."""
    lines = json_lines((SAMPLES / "segment.jsonl").read_bytes())
    one = LineMapping(load_mapping("segment"))
    together = {line.number: line.value for line in applied(one, lines) if isinstance(line, Line)}
    for line in lines[:5] + lines[-5:]:
        (alone,) = applied(one, [line])
        assert not isinstance(alone, Line) or alone.value == together[line.number]
    with pytest.raises(InvalidMappingError, match="an expression looks at other rows"):
        mapping(TEXT.replace('journey_id = "user"', 'journey_id = { expression = "lag(user) OVER (ORDER BY ts)" }'))
