"""Runs the compiled engine next to the reference: whatever comes of a log must be the same, byte by byte."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple, TypeAlias

import pytest

from journeys.schemas.codec import Codec
from journeys.schemas.records import Mark
from journeys.streams.compiled.engine_choice import load_engine
from journeys.streams.partition.abandonment_tally import Tally
from journeys.streams.partition.changelog import (
    Restore,
    StoredRow,
    output_messages,
    stored_partition,
    stored_rows,
    tombstones,
)
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.protocols import JourneyPartition, JourneyProcessor
from journeys.streams.partition.state import Partition
from tests.fixtures.left_out import left_out
from tests.fixtures.wire_record import WireRecord

CODEC = Codec()
Changelog: TypeAlias = Iterable[tuple[bytes, bytes | None, int]]

needs_engine = pytest.mark.skipif(find_spec("journeys.engine") is None, reason=left_out("engine"))


class Result(NamedTuple):
    """All that a batch comes to, in bytes where it goes out as bytes."""

    outputs: list[tuple[str, bytes, bytes]]
    rows: list[tuple[bytes, bytes | None, int]]
    counts: Any
    applied_offset: int
    next_due_at: int | None
    open_count: int
    tally: tuple[Any, ...]


def result_of(processor: JourneyProcessor, records: Sequence[WireRecord]) -> Result:
    """Apply a batch and give what a flush would send, in order."""
    effects = processor.process_log(records, CODEC)
    partition = processor.partition
    tally = effects.tally or Tally()
    tally.abandonments(effects.abandonments)
    rows = [*stored_rows(effects, CODEC), stored_partition(partition, CODEC), *tombstones(effects)]
    return Result(
        [tuple(message) for message in output_messages(effects, CODEC)],
        [tuple(row) for row in rows],
        effects.counts,
        partition.applied_offset,
        partition.next_due_at(),
        partition.open_count(),
        (tally.by_reason, tally.total_penalty_micros, tally.delays, tally.delay_ms),
    )


def reference(number: int, count: int, changelog: Changelog = ()) -> Processor:
    """The reference, restored from a changelog."""
    partition = Partition(number, count)
    _restore(partition, changelog)
    return Processor(partition)


def compiled(number: int, count: int, changelog: Changelog = ()) -> JourneyProcessor:
    """The engine, restored from a changelog."""
    processor = load_engine("compiled").processor(number, count, CODEC)
    _restore(processor.partition, changelog)
    return processor


def _restore(partition: JourneyPartition, changelog: Changelog) -> None:
    restore = Restore()
    for key, value, offset in changelog:
        restore.add(key, value, offset)
    assert restore.onto(partition, CODEC) == []


def compare(
    batches: Iterable[Sequence[WireRecord]],
    number: int,
    count: int,
    *,
    restarts: bool = False,
    marks: Iterable[tuple[int, Mark]] = (),
) -> int:
    """Apply batches with both and demand the same bytes of both; gives how many records that were.

    With `restarts`, both are restored from their changelog before each batch. `marks` are known from the beginning.
    """
    known = list(marks)
    plain, fast = reference(number, count), compiled(number, count)
    _know(known, plain, fast)
    changelog: list[StoredRow] = []
    read = 0
    for records in batches:
        if restarts:
            plain, fast = reference(number, count, changelog), compiled(number, count, changelog)
            _know(known, plain, fast)
        expected, found = result_of(plain, records), result_of(fast, records)
        assert found == expected
        assert found.open_count == sum(row.open for row in plain.partition.rows.values())
        changelog += [StoredRow(*row) for row in expected.rows]
        read += len(records)
    assert tables(fast) == tables(plain)
    return read


def _know(marks: Iterable[tuple[int, Mark]], *processors: JourneyProcessor) -> None:
    for processor in processors:
        for offset, mark in marks:
            processor.partition.marks.add(offset, mark)


def tables(processor: JourneyProcessor) -> dict[str, dict[str, Any]]:
    """Rows of a processor's partition, as they are stored."""
    return {journey_id: row.stored() for journey_id, row in processor.partition.rows.items()}
