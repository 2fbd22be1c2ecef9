"""A backtest gives what a replay of the same file gives, abandonment by abandonment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.agents.history.backtest import History, backtest, packed, unpacked
from journeys.agents.history.history_buckets import HistoryBuckets
from journeys.agents.history.history_columns import history_batches
from journeys.agents.history.line_files import BadLine, LineFile
from journeys.agents.history.packed_history import pack
from journeys.schemas.instants import DAY_MS
from journeys.schemas.records import JourneyRecord
from journeys.streams.partition.entry import Entry
from journeys.streams.rule.policy import Policy
from tests.backtest.histories import SHARP, abandonments_of, read_lines, records_of, reference, write_lines
from tests.fixtures.left_out import left_out
from tests.properties.logs import logs, seeded_log

pytest.importorskip("journeys.engine", reason=left_out("engine"))

_HELD_BYTES = 2_000  # so little that it goes to files
_GROUP_ROWS = 5  # so few that there are several groups
_SEEDS = 150


def _never(line: BadLine) -> None:
    raise AssertionError(f"line {line.number} is bad: {line.error}")


def _compare(history: History, records: Sequence[JourneyRecord], policies: Sequence[Policy], until: int | None) -> int:
    tables = defaultdict(list)
    found = backtest(
        history, policies, until=until, abandonments=lambda number, table: tables[number].append(table), threads=2
    )
    # A comparison ends at the last record; a replay goes on for as long as it is told.
    last = max((record.occurred_at for record in records), default=until)
    until = until if until is None or last is None else min(until, last)
    count = 0
    for number, policy in enumerate(policies):
        tally, expected = reference(records, policy, until)
        assert abandonments_of(tables[number]) == expected, policy.version
        assert found[number] == tally, policy.version
        count += len(expected)
    return count


def _compare_both_ways(written: Sequence[JourneyRecord], until: int | None) -> int:
    with TemporaryDirectory() as folder:
        lines = write_lines(written, Path(folder) / "history.jsonl")
        records = read_lines(lines)
        file = Path(folder) / "packed.parquet"
        with HistoryBuckets(1_000, _HELD_BYTES, with_names=True) as buckets:
            clock = buckets.fill(history_batches(LineFile(str(lines)), _never))
            pack(buckets, clock, file, 0, group_rows=_GROUP_ROWS)
        count = _compare(packed(str(file), SHARP, with_names=True), records, SHARP, until)
        with unpacked(LineFile(str(lines)), _HELD_BYTES, _never, with_names=True) as history:
            return count + _compare(history, records, SHARP, until)


@settings(max_examples=60, deadline=None)
@given(log=logs(), cut=st.one_of(st.none(), st.tuples(st.integers(0, 40), st.integers(-1, 1))))
def test_backtest_equals_replay(log: list[Entry], cut: tuple[int, int] | None) -> None:
    """Random histories, whole or up to an instant about one of their own: the same tallies and abandonments."""
    records = records_of(log)
    until = None
    if cut is not None and records:
        until = records[cut[0] % len(records)].occurred_at + cut[1]
    _compare_both_ways(records, until)


@pytest.mark.slow
def test_backtest_equals_replay_over_many_histories() -> None:
    """Seeded histories of several logs mixed, each whole and up to an instant in it."""
    compared = 0
    for seed in range(_SEEDS):
        random = Random(seed)
        records = records_of(seeded_log(seed, range(20, 200)))
        until = random.choice(records).occurred_at + random.choice((0, 1, DAY_MS)) if records else None
        compared += _compare_both_ways(records, random.choice((None, until)))
    assert compared > 10_000
