"""The compiled engine gives what the reference gives, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.streams.partition.entry import Entry
from tests.engine.comparison import CODEC, compare, needs_engine
from tests.fixtures.examples import examples
from tests.fixtures.wire_record import WireRecord, on_the_wire
from tests.properties.draft import COUNT, NUMBER
from tests.properties.logs import logs, seeded_log

_SEEDS = 400


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
