"""How records are cut into batches, and where a restart falls, changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.streams.partition.changelog import StoredRow
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.processor import Processor
from tests.fixtures.examples import examples
from tests.properties.logs import logs
from tests.properties.outcome import Outcome, remembered, restored, run

_settings = settings(max_examples=examples(150), deadline=None)
_cut_points = st.lists(st.integers(0, 40), max_size=8).map(sorted)


def _cut(log: Sequence[Entry], points: Sequence[int]) -> list[Sequence[Entry]]:
    """Batches of the log, some of them empty."""
    edges = [0, *(min(point, len(log)) for point in points), len(log)]
    return [log[begin:end] for begin, end in pairwise(edges)]


def _tables(outcome: Outcome) -> tuple[dict[bytes, StoredRow], dict[str, dict[str, object]]]:
    """Last record of each key, and what a partition restored from the changelog holds."""
    return outcome.table, remembered(restored(outcome.changelog)[0])


@_settings
@given(log=logs(), points=_cut_points)
def test_batches_change_nothing(log: list[Entry], points: list[int]) -> None:
    """One batch, one record at a time, and any cut between: the same outputs in the same order, the same table."""
    whole = run([log])
    for batches in ([[entry] for entry in log], _cut(log, points)):
        parts = run(batches)
        assert parts.outputs == whole.outputs
        assert parts.counts == whole.counts
        assert _tables(parts) == _tables(whole)


@_settings
@given(log=logs())
def test_every_output_has_an_id_of_its_own(log: list[Entry]) -> None:
    """Ids are derived, and still no two outputs of one run share one."""
    outcome = run([log])
    abandonment_ids = [record.abandonment_id for record in outcome.abandonments]
    lifecycle_ids = [record.lifecycle_id for record in outcome.lifecycle]
    assert len(set(abandonment_ids)) == len(abandonment_ids)
    assert len(set(lifecycle_ids)) == len(lifecycle_ids)


@_settings
@given(log=logs())
def test_each_record_is_counted_once(log: list[Entry]) -> None:
    """In = applied + late + duplicate + refused + dead + punctuations + policies + corrections of the clock."""
    counts = run([log]).counts
    assert counts.read == len(log)
    assert counts.skipped == 0


@_settings
@given(log=logs(), points=_cut_points)
def test_restarts_change_nothing(log: list[Entry], points: list[int]) -> None:
    """A partition restored from its changelog between any two batches goes on as if it had never stopped."""
    batches = _cut(log, points)
    whole = run(batches)
    outcome = Outcome()
    for batch in batches:
        partition, rewrites = restored(outcome.changelog)
        assert rewrites == []
        outcome.take(Processor(partition).process(batch), partition)
    assert outcome.outputs == whole.outputs
    assert outcome.counts == whole.counts
    assert _tables(outcome) == _tables(whole)


@_settings
@given(log=logs(), points=_cut_points)
def test_records_read_again_are_skipped(log: list[Entry], points: list[int]) -> None:
    """Each restart reads the log from its beginning: what was applied brings about nothing again."""
    whole = run([log])
    outcome = Outcome()
    for end in (*points, len(log)):
        partition, _ = restored(outcome.changelog)
        outcome.take(Processor(partition).process(log[:end]), partition)
    assert outcome.outputs == whole.outputs
    assert _tables(outcome) == _tables(whole)


@_settings
@given(log=logs(), points=_cut_points, data=st.data())
def test_stale_rows_of_a_frozen_worker_are_not_believed(
    log: list[Entry], points: list[int], data: st.DataObject
) -> None:
    """Old rows written behind newer ones lose against them, and exactly the rows that they hide are written again."""
    batches = _cut(log, points)
    whole = run(batches)
    outcome = Outcome()
    for batch in batches:
        outcome.changelog += _stale(outcome.changelog, data)
        partition, rewrites = restored(outcome.changelog)
        assert rewrites == _hidden(outcome.changelog)
        outcome.changelog += rewrites
        assert restored(outcome.changelog)[1] == []
        outcome.take(Processor(partition).process(batch), partition)
    assert outcome.outputs == whole.outputs
    assert _tables(outcome) == _tables(whole)


def _stale(changelog: Sequence[StoredRow], data: st.DataObject) -> list[StoredRow]:
    """Some records of the changelog, as a worker that was frozen when it sent them writes them now."""
    return data.draw(st.lists(st.sampled_from(changelog), max_size=6)) if changelog else []


def _hidden(changelog: Sequence[StoredRow]) -> list[StoredRow]:
    """Newest row of each key whose last row is not the newest, by key."""
    by_key: dict[bytes, list[StoredRow]] = {}
    for row in changelog:
        by_key.setdefault(row.key, []).append(row)
    newest = {key: max(rows, key=lambda row: row.offset) for key, rows in by_key.items()}
    return [newest[key] for key in sorted(by_key) if by_key[key][-1].offset < newest[key].offset]
