"""The flusher's order on a changelog in memory, into which another worker writes at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from journeys.agents.kafka.tombstone import tombstone_offset
from journeys.agents.worker.flusher import Flusher
from journeys.agents.worker.guards.freeze_guard import FreezeGuard
from journeys.agents.worker.ports.local_copy import NoLocalCopy
from journeys.schemas.codec import Codec
from journeys.schemas.instants import DAY_MS
from journeys.schemas.records import InputRecord, Punctuation, Touchpoint
from journeys.schemas.rows import PARTITION_KEY, journey_key
from journeys.streams.partition.changelog import StoredRow, row_offset, stored_rows
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition

_CODEC = Codec()
_BEGIN = 1_760_000_000_000
_CHANGELOG = "changelog"
_JOURNEY = journey_key("journey-1")


@dataclass
class MemoryProducer:
    """Appends batches; `before` is called in front of each one of the changelog, with its number from 1."""

    changelog: list[SimpleNamespace] = field(default_factory=list)
    before: Callable[[int], object] = int
    sends: int = 0

    def create_batch(self) -> SimpleNamespace:
        """Builder of a batch."""
        records: list[SimpleNamespace] = []

        def append(*, timestamp: None, key: bytes, value: bytes | None, headers: Any) -> object:
            del timestamp
            records.append(SimpleNamespace(key=key, value=value, headers=headers))
            return records

        return SimpleNamespace(append=append, records=records)

    async def send_batch(self, batch: SimpleNamespace, topic: str, partition: int) -> asyncio.Future[SimpleNamespace]:
        """Append it and acknowledge."""
        del partition
        sent: asyncio.Future[SimpleNamespace] = asyncio.get_running_loop().create_future()
        if topic == _CHANGELOG:
            self.sends += 1
            self.before(self.sends)
            sent.set_result(SimpleNamespace(offset=len(self.changelog)))
            self.changelog += batch.records
        else:
            sent.set_result(SimpleNamespace(offset=0))
        return sent

    def append(self, row: StoredRow) -> None:
        """Append a row of another worker."""
        self.changelog.append(SimpleNamespace(key=row.key, value=row.value, headers=()))


class MemoryFlusher(Flusher):
    """The flusher with the changelog above."""

    def __init__(self, producer: MemoryProducer) -> None:
        changelog = SimpleNamespace(
            changelog_topic=_CHANGELOG,
            batch_producer=lambda: producer,
            topic_prefix="",
            mark_changelog_read=lambda number, offset: None,  # noqa: ARG005  (the port's signature)
        )
        super().__init__(changelog, _CODEC, FreezeGuard(3600.0, 7200.0), NoLocalCopy(), {})
        self._producer = producer
        self.begin(0, 0)

    async def _read_changelog(self, number: int, begin: int, end: int) -> list[Any]:
        del number
        return self._producer.changelog[begin:end]


def _batch(begin: int, *records: InputRecord) -> list[Entry]:
    return [
        Entry(begin + number, None if isinstance(record, Punctuation) else b"journey-1", None, record)
        for number, record in enumerate(records)
    ]


def _offset(record: Any) -> int:
    return tombstone_offset(record.headers) if record.value is None else row_offset(record.value)


_OPENS = _batch(0, Punctuation(_BEGIN, "simulated"), Touchpoint("journey-1", "user", "1", _BEGIN))
_FORGETS = _batch(2, Punctuation(_BEGIN + 4 * DAY_MS, "simulated"), Punctuation(_BEGIN + 40 * DAY_MS, "simulated"))


@pytest.mark.parametrize("moment", [0, 3, 4])
def test_no_tombstone_precedes_its_partition_row(moment: int) -> None:
    """A frozen worker writes the open row of a journey that this batch forgets: before the batch, within it, never."""
    producer = MemoryProducer()
    flusher = MemoryFlusher(producer)
    partition = Partition()
    processor = Processor(partition)
    opened = processor.process(_OPENS)
    (stale,) = stored_rows(opened, _CODEC)
    producer.before = lambda number: producer.append(stale) if number == moment else None
    asyncio.run(flusher.flush(partition, opened))
    asyncio.run(flusher.flush(partition, processor.process(_FORGETS)))
    reached = -1
    for record in producer.changelog:
        if record.key == PARTITION_KEY:
            reached = _offset(record)
        assert record.value is not None or _offset(record) <= reached
    last = [record for record in producer.changelog if record.key == _JOURNEY][-1]
    assert (last.value, _offset(last)) == (None, 3)
