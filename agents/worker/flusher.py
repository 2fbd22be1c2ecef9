"""The flusher: writes the effects of a batch to Kafka, in an order in which a crash loses and repeats nothing.

    outputs | changed journey rows | partition row, behind it tombstones | (consumer offset, by the caller)

Each step is acknowledged before the next is sent, so the partition row means: everything up to its offset is
published and stored. What a crash interrupts is done again, with the same ids.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import stamina
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from journeys.agents.kafka.followed_cluster import follow_cluster
from journeys.agents.kafka.tombstone import TOMBSTONE_OFFSET_HEADER, tombstone_offset
from journeys.agents.worker.guards.freeze_guard import FreezeGuard
from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now
from journeys.agents.worker.transport.finished_batch import FinishedBatch
from journeys.agents.worker.transport.refused_write import ends_where_refused, require_growth
from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.streams.compiled.encoded_messages import EncodedMessages
from journeys.streams.partition.changelog import (
    Restore,
    StoredRow,
    outputs_by_topic,
    row_offset,
    stored_partition,
    stored_rows,
    tombstones,
)
from journeys.streams.partition.effects import Effects, EncodedOutput
from journeys.streams.partition.protocols import JourneyPartition

if TYPE_CHECKING:
    from journeys.agents.worker.ports.local_copy import LocalCopy
    from journeys.agents.worker.ports.worker_ports import Changelog

log = logging.getLogger("journeys.flusher")
_GAP_POLL_MS = 500
BATCH_BYTES = 512 * 1024
Record: TypeAlias = EncodedOutput | StoredRow
_NO_HEADERS: list[tuple[str, bytes]] = []


def _is_retriable(error: Exception) -> bool:
    """Whether a failed send is to be retried, as while a broker is away.

    aiokafka raises KafkaTimeoutError if a batch found no room in its queue: nothing of it was sent (0046).
    """
    return isinstance(error, KafkaTimeoutError) or (isinstance(error, KafkaError) and bool(error.retriable))


class Flusher:
    """Writes for all partitions of one worker. The journey agent runs one flush of a partition at a time."""

    def __init__(
        self,
        changelog: Changelog,
        codec: Codec,
        guard: FreezeGuard,
        local_copy: LocalCopy,
        client_options: dict[str, Any],
    ) -> None:
        self._changelog = changelog
        self._codec = codec
        self._guard = guard
        self._local_copy = local_copy
        self._client_options = client_options
        self._next_changelog_offset: dict[int, int] = {}
        self._written_by_others: set[int] = set()
        """Partitions to whose changelog another worker wrote after the restore: the next restore reads it again."""
        self._gaps: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        """By partition, changelog offsets (from, to) that another worker wrote and that were not read yet."""

    def begin(self, number: int, changelog_end: int) -> None:
        """Note that a partition is restored up to `changelog_end`, which is the expected offset of its next row."""
        self._next_changelog_offset[number] = changelog_end
        self._written_by_others.discard(number)
        self._gaps.pop(number, None)

    async def flush(self, partition: JourneyPartition, effects: Effects) -> None:
        """Publish outputs and store rows; returns when all are acknowledged."""
        number = partition.number
        by_topic = outputs_by_topic(effects, self._codec)
        if by_topic:
            prefix = self._changelog.topic_prefix
            await asyncio.gather(*(self._send(prefix + topic, number, sent) for topic, sent in by_topic.items()))
        rows = stored_rows(effects, self._codec)
        if rows:
            await self.write_rows(number, rows)
        await self.write_rows(number, [stored_partition(partition, self._codec), *tombstones(effects)])
        # Last, because a repair also deletes what this batch deleted, and no tombstone may precede the partition row.
        while gaps := self._gaps.pop(number, None):
            await self._repair_gaps(partition, gaps)

    async def write_rows(self, number: int, rows: Sequence[StoredRow]) -> None:
        """Append rows to the changelog, note offsets that another worker wrote, and store the rows in the copy."""
        changelog = self._changelog.changelog_topic
        complete_to: int | None = None
        as_of_ms = now_ms()
        for base, count in await self._send(changelog, number, rows):
            expected = self._next_changelog_offset[number]
            self._next_changelog_offset[number] = base + count
            require_growth(changelog, number, base, expected)
            if base != expected:
                self._written_by_others.add(number)
                self._gaps[number].append((expected, base))
            if number not in self._written_by_others:
                complete_to = base + count - 1
                self._changelog.mark_changelog_read(number, complete_to)
        self._local_copy.put(number, rows, None if number in self._written_by_others else complete_to, as_of_ms)

    async def _send(self, topic: str, number: int, records: Sequence[Record]) -> list[tuple[int, int]]:
        """Send records to one partition and wait for acknowledgement; gives base offset and count of each batch."""
        sent: list[tuple[int, int]] = []
        begin = 0
        while begin < len(records):
            base, end = await self._send_batch(topic, number, records, begin)
            sent.append((base, end - begin))
            begin = end
        return sent

    async def _send_batch(self, topic: str, number: int, records: Sequence[Record], begin: int) -> tuple[int, int]:
        """Send as many records from `begin` on as fit one batch; gives its base offset and the next index."""
        producer = self._changelog.batch_producer()
        async for attempt in stamina.retry_context(on=_is_retriable, attempts=None, timeout=None, wait_max=5.0):
            with attempt, ends_where_refused(topic):
                self._guard.check()
                builder, end = _batch_of(producer, records, begin)
                sent = await producer.send_batch(builder, topic, partition=number)
                base: int = (await sent).offset
                return base, end
        raise AssertionError("retry_context gives up only by raising")

    async def _repair_gaps(self, held: JourneyPartition, gaps: Sequence[tuple[int, int]]) -> None:
        """Read what another worker wrote to the changelog between our batches, and write our newer rows again."""
        number = held.number
        restore = Restore()
        for begin, end in gaps:
            log.warning("changelog %d: offsets %d to %d are not ours", number, begin, end - 1)
            for record in await self._read_changelog(number, begin, end):
                offset = tombstone_offset(record.headers) if record.value is None else row_offset(record.value)
                if offset > held.applied_offset:
                    end_now(WorkerExit.FENCED, f"another worker has applied offset {offset} of partition {number}")
                restore.add(record.key, record.value, offset)
        rewrites = restore.onto(held, self._codec)
        log.warning("changelog %d: %d rows written again over older ones", number, len(rewrites))
        if rewrites:
            await self.write_rows(number, rewrites)

    async def _read_changelog(self, number: int, begin: int, end: int) -> list[Any]:
        tp = TopicPartition(self._changelog.changelog_topic, number)
        consumer = AIOKafkaConsumer(**self._client_options, enable_auto_commit=False)
        follow_cluster(consumer._client)
        await consumer.start()
        try:
            consumer.assign([tp])
            consumer.seek(tp, begin)
            read: list[Any] = []
            while await consumer.position(tp) < end:
                for records in (await consumer.getmany(tp, timeout_ms=_GAP_POLL_MS)).values():
                    read.extend(record for record in records if record.offset < end)
            return read
        finally:
            await consumer.stop()


def _batch_of(producer: Any, records: Sequence[Record], begin: int) -> tuple[Any, int]:
    """Batch of records from `begin` on, and the index of the first record that did not fit."""
    if isinstance(records, EncodedMessages):
        batch, end = records.record_batch(begin, BATCH_BYTES, now_ms())
        return FinishedBatch(batch, end - begin), end
    return _filled(producer.create_batch(), records, begin)


def _filled(builder: Any, records: Sequence[Record], begin: int) -> tuple[Any, int]:
    """Fill a batch with records from `begin` on; gives it, and the index of the first record that did not fit."""
    append = builder.append
    for end in range(begin, len(records)):
        record = records[end]
        value = record[1]
        headers = _NO_HEADERS
        if value is None:
            assert isinstance(record, StoredRow)  # a tombstone; outputs have values
            headers = [(TOMBSTONE_OFFSET_HEADER, str(record.offset).encode())]
        if append(timestamp=None, key=record[0], value=value, headers=headers) is None:
            return builder, end
    return builder, len(records)
