"""The compiled engine gives what the reference gives, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.schemas.instants import DAY_MS, HOUR_MS
from journeys.schemas.records import InputRecord, PolicyChanged, Punctuation, Touchpoint
from journeys.schemas.topics import JOURNEY_LIFECYCLE
from journeys.streams.partition.entry import Entry
from journeys.streams.rule.policy import Policy
from tests.engine.comparison import CODEC, compare, compiled, needs_engine, result_of
from tests.fixtures.examples import examples
from tests.fixtures.wire_record import WireRecord, on_the_wire
from tests.properties.draft import COUNT, NUMBER
from tests.properties.logs import logs, seeded_log

_SEEDS = 400
_AT: Final = 1_760_000_000_000


def _cut(records: Sequence[WireRecord], points: Sequence[int]) -> list[Sequence[WireRecord]]:
    edges = [0, *sorted(min(point, len(records)) for point in points), len(records)]
    return [records[begin:end] for begin, end in pairwise(edges)]


@needs_engine
@settings(max_examples=examples(200), deadline=None)
@given(log=logs(), points=st.lists(st.integers(0, 40), max_size=8), restarts=st.booleans())
def test_the_engine_equals_the_reference(log: list[Entry], points: list[int], restarts: bool) -> None:
    """Random logs in random batches, with restarts or without: the same outputs, rows, tombstones and counts."""
    compare(_cut([on_the_wire(entry, CODEC) for entry in log], points), NUMBER, COUNT, restarts=restarts)


@pytest.mark.slow
@needs_engine
@pytest.mark.parametrize("restarts", [False, True])
def test_the_engine_equals_the_reference_over_many_records(restarts: bool) -> None:
    """Seeded logs, each whole and in batches of seven."""
    read = 0
    for seed in range(_SEEDS):
        records = [on_the_wire(entry, CODEC) for entry in seeded_log(seed, range(20, 200))]
        read += compare(_cut(records, range(0, len(records), 7)), NUMBER, COUNT, restarts=restarts)
        read += compare([records], NUMBER, COUNT, restarts=restarts)
    assert read > 50_000


@needs_engine
@pytest.mark.parametrize("days_behind", [5, 6, 12, 36, 37, 38, 60])
def test_a_duplicate_of_an_engaged_episode_moves_nothing_in_either(days_behind: int) -> None:
    """At its timeout, behind it, and so far behind it that the journey, extended or not, would be forgotten."""
    policy = Policy.model_validate(
        {
            "version": "engaged",
            "deadlines": {"timeout_days": "5"},
            "extension": {"touchpoints": 2, "extend_by_days": "7"},
        }
    )
    hours = [0, 60, 96, 24 * days_behind]
    touchpoints = [
        Touchpoint("journey", None, f"t-{min(number, 2)}", _AT + hour * HOUR_MS, state="INTENT")
        for number, hour in enumerate(hours)
    ]
    records: list[InputRecord] = [
        PolicyChanged(policy.version, policy.to_json(), _AT),
        Punctuation(_AT, "simulated"),
        *touchpoints,
    ]
    records.append(touchpoints[-1]._replace(touchpoint_id="another", occurred_at=_AT + (days_behind + 1) * DAY_MS))
    log = [
        Entry(offset, None if isinstance(record, PolicyChanged | Punctuation) else b"journey", None, record)
        for offset, record in enumerate(records)
    ]
    wire = [on_the_wire(entry, CODEC) for entry in log]
    for cut in range(2, len(wire)):
        compare([wire[:cut], wire[cut:]], 0, 1)
    outputs = result_of(compiled(0, 1), wire[:-1]).outputs
    kinds = [CODEC.decode(value).kind for topic, _, value in outputs if topic == JOURNEY_LIFECYCLE]
    is_forgotten = days_behind >= 37  # extended to day 12, ended by silence on day 7, remembered for 30 days
    assert kinds == (["started", "extended_automatically", "started"] if is_forgotten else ["started"])
