"""Amounts come out as the reference has them, to the micro, whatever a producer says."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.schemas.instants import DAY_MS
from journeys.schemas.money import LARGEST_MICROS
from journeys.schemas.records import Punctuation, Touchpoint
from journeys.streams.partition.entry import Entry
from tests.engine.comparison import CODEC, compare, needs_engine
from tests.fixtures.examples import examples
from tests.fixtures.wire_record import on_the_wire

_AT = 1_760_000_000_000
_micros = st.integers(0, LARGEST_MICROS) | st.integers(0, 1_000)


@needs_engine
@settings(max_examples=examples(1_000), deadline=None)
@given(
    probability=st.floats(0, 1) | st.none(),
    value_micros=_micros | st.none(),
    cost_micros=_micros,
    state=st.sampled_from([None, "AWARE", "CONSIDERING", "INTENT"]),
    days=st.integers(1, 20),
)
def test_penalty_and_opportunity_are_the_references(
    probability: float | None, value_micros: int | None, cost_micros: int, state: str | None, days: int
) -> None:
    """Any double from 0 to 1, any amount that is allowed: the abandonment is the same, byte by byte."""
    records = [
        Touchpoint(
            "journey", None, f"t-{day}", _AT + day * DAY_MS, None, None, state, cost_micros, probability, value_micros
        )
        for day in range(0, days, 2)
    ]
    until = Punctuation(_AT + 100 * DAY_MS, "simulated")
    entries = [Entry(at, b"journey", None, record) for at, record in enumerate(records)]
    log = [Entry(0, None, None, Punctuation(_AT, "simulated"))]
    log += [entry._replace(offset=entry.offset + 1) for entry in entries]
    log.append(Entry(len(log), None, None, until))
    assert compare([[on_the_wire(entry, CODEC) for entry in log]], 0, 1) == len(log)
