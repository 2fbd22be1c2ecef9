"""The compiled engine beside the reference: both apply the same batches, and all that comes of them is compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pytest

from schemas.codec import Codec
from streams.compiled_partition import compiled_partition
from streams.compiled_processor import CompiledProcessor
from streams.partition import Partition
from streams.processor import Processor
from streams.table import Restore, StoredRow, output_messages, stored_partition, stored_rows, tombstones
from streams.tally import Tally
from tests.wire_record import WireRecord

journeys_engine = pytest.importorskip("journeys_engine", reason="the engine is not built: no Rust toolchain")

CODEC = Codec()


class Result(NamedTuple):
    """All that a batch comes to, in bytes where it goes out as bytes."""

    outputs: list[tuple[str, bytes, bytes]]
    rows: list[tuple[bytes, bytes | None, int]]
    counts: Any
    next_due_at: int | None
    open_count: int
    booked: tuple[Any, ...]


def result_of(processor: Processor, records: Sequence[WireRecord]) -> Result:
    """Apply a batch and give what a flush would send, in order."""
    effects = processor.process_log(records, CODEC)
    partition = processor.partition
    booked = effects.booked or Tally()
    booked.abandonments(effects.abandonments)
    rows = [*stored_rows(effects, CODEC), stored_partition(partition, CODEC), *tombstones(effects)]
    return Result(
        [tuple(message) for message in output_messages(effects, CODEC)],
        [tuple(row) for row in rows],
        effects.counts,
        partition.next_due_at(),
        partition.open_count(),
        (booked.by_reason, booked.total_penalty_micros, booked.delays, booked.delay_ms),
    )


def reference(number: int, count: int, changelog: Iterable[tuple[bytes, bytes | None, int]] = ()) -> Processor:
    """The reference, restored from a changelog."""
    partition = Partition(number, count)
    _restore(partition, changelog)
    return Processor(partition)


def compiled(number: int, count: int, changelog: Iterable[tuple[bytes, bytes | None, int]] = ()) -> CompiledProcessor:
    """The engine, restored from a changelog."""
    partition = compiled_partition(journeys_engine.Engine, number, count, CODEC)
    _restore(partition, changelog)
    return CompiledProcessor(partition)


def _restore(partition: Partition, changelog: Iterable[tuple[bytes, bytes | None, int]]) -> None:
    restore = Restore()
    for key, value, offset in changelog:
        restore.add(key, value, offset)
    assert restore.onto(partition, CODEC) == []


def compare(batches: Iterable[Sequence[WireRecord]], number: int, count: int, *, restarts: bool = False) -> int:
    """Apply batches with both and demand the same bytes of both; gives how many records that were.

    With `restarts`, both are restored from their changelog before each batch.
    """
    plain, fast = reference(number, count), compiled(number, count)
    changelog: list[StoredRow] = []
    read = 0
    for records in batches:
        if restarts:
            plain, fast = reference(number, count, changelog), compiled(number, count, changelog)
        expected, found = result_of(plain, records), result_of(fast, records)
        assert found == expected
        assert found.open_count == sum(row.open for row in plain.partition.rows.values())
        changelog += [StoredRow(*row) for row in expected.rows]
        read += len(records)
    assert tables(fast) == tables(plain)
    return read


def tables(processor: Processor) -> dict[str, dict[str, Any]]:
    """Rows of a processor's partition, as they are stored."""
    return {journey_id: row.stored() for journey_id, row in processor.partition.rows.items()}
