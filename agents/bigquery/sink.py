"""The sink without Connect: output topics into tables, exactly once.

Each partition has one committed stream; the offset of a row in it is its Kafka offset minus that of the stream's first
row (`base`). Stream and base are committed to the consumer group, as metadata of the offset, *before* the first row is
written to the stream. So the next owner of a partition, after a crash or a rebalance, finalizes the stream, which stops
the previous writer and returns the number of its rows, and continues behind them with a new stream. A request whose
answer was lost is sent again at the same offset: BigQuery answers that the rows exist, which is success.

A record that can't become a row is a dead letter; since a stream has no gaps, a new stream begins after it. Touchpoints
of the input topic are written differently (touchpoint_writer).
Only one fetch is buffered: while BigQuery is away the sink waits, and Kafka keeps the records.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Final, NamedTuple

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import CommitFailedError, TopicAlreadyExistsError
from aiokafka.structs import OffsetAndMetadata

from journeys.agents.bigquery.client import Warehouse, warehouse
from journeys.agents.bigquery.connector import DEAD_LETTERS
from journeys.agents.bigquery.event_time import require_streamable
from journeys.agents.bigquery.present_rows import present_keys
from journeys.agents.bigquery.refused_rows import RefusedRows
from journeys.agents.bigquery.retrying_writer import RetryingWriter
from journeys.agents.bigquery.row_encoder import RowEncoder
from journeys.agents.bigquery.sink_health import SinkHealth
from journeys.agents.bigquery.touchpoint_writer import TouchpointWriter
from journeys.agents.bigquery.write_stream import RowsRefusedError, StreamLostError, StreamWriter
from journeys.agents.kafka.connection import admin, client_options, producer, require_broker
from journeys.agents.kafka.followed_cluster import follow_cluster
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.kafka.schema_registry import SchemaRegistry, registry_of
from journeys.agents.kafka.topic_setup import new_replication_factor
from journeys.agents.kafka.unpacked_batches import UnpackingConsumer
from journeys.agents.settings.settings import Settings
from journeys.analytics.table import Table, all_tables, touchpoint_table
from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.marks import Marks, marks_among
from journeys.schemas.topics import JOURNEY_EVENTS, replica_settings

GROUP: Final = "journeys-bigquery-sink"
_BATCH_RECORDS: Final = 500
_POLL_MS: Final = 500
_HEARTBEATS_PER_SESSION: Final = 5
_LONGEST_OUTAGE_MS: Final = 7 * 86_400_000
_LOG = structlog.get_logger("sink")


class Row(NamedTuple):
    """A record of a topic, encoded as a row."""

    record: Any
    """aiokafka's ConsumerRecord."""
    key: str
    encoded: bytes


class OpenStream:
    """The stream of one partition. `next_offset` is the Kafka offset of its next row."""

    def __init__(self, name: str, base: int) -> None:
        self.name = name
        self.base = base
        self.next_offset = base


class BigQuerySink:
    """One member of the sink's group. `written` and `refused` count rows of this process."""

    def __init__(
        self,
        settings: Settings,
        warehouse: Warehouse,
        group: str,
        consumer: Any,
        writer: RetryingWriter,
        refused: RefusedRows,
        codec: Codec,
    ) -> None:
        self.written = 0
        self.has_joined = True
        """Whether the group has given this member its partitions, perhaps none; a started consumer has them."""
        self._group = group
        self._settings = settings
        self._warehouse = warehouse
        self._consumer = consumer
        self._writer = writer
        self._refused_rows = refused
        self._tables: dict[str, Table] = {settings.topic(table.topic): table for table in all_tables()}
        self._touchpoints = TouchpointWriter(touchpoint_table(), writer, refused, codec)
        self._encoders = {topic: RowEncoder(table) for topic, table in self._tables.items()}
        self._streams: dict[TopicPartition, OpenStream] = {}
        self._unsure: set[TopicPartition] = set()
        self._marks: dict[TopicPartition, Marks] = {}
        """Of assigned partitions of the input topic, from the first record that was fetched on."""
        self._codec = codec

    @property
    def refused(self) -> int:
        """Records that became dead letters of the sink."""
        return self._refused_rows.count

    def drop_streams(self) -> None:
        """Drop all streams: their partitions may belong to another member."""
        self.has_joined = False
        self._streams.clear()
        self._marks.clear()

    async def run(self, registry: SchemaRegistry | None) -> None:
        """Write until cancelled."""
        while True:
            fetched = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=_BATCH_RECORDS)
            for tp, records in fetched.items():
                marks = await self._marks_of(tp, records)
                if registry is not None:
                    await registry.learn_from((record.value for record in records), marks)
                try:
                    await self._write(tp, records)
                except StreamLostError as error:
                    _LOG.warning("stream lost", partition=str(tp), why=str(error))
                    self._streams.pop(tp, None)
                    await self._seek_to_committed(tp)
                except CommitFailedError:
                    # The group has rebalanced without this member; it begins again in the next generation.
                    self.drop_streams()
                    break

    async def _marks_of(self, tp: TopicPartition, records: Sequence[Any]) -> Marks:
        """Marks that hold for records of a fetch, of those that stand behind its first record."""
        if tp.topic != self._settings.topic(JOURNEY_EVENTS):
            return Marks()
        if tp not in self._marks:
            async with open_log(self._settings, JOURNEY_EVENTS, catalog=None) as log:
                self._marks[tp] = await log.marks(tp.partition, records[0].offset)
        for offset, mark in marks_among(records):
            self._marks[tp].add(offset, mark)
        return self._marks[tp]

    async def _write(self, tp: TopicPartition, records: Sequence[Any]) -> None:
        if tp.topic == self._settings.topic(touchpoint_table().topic):
            self.written += await self._touchpoints.write(records, self._marks[tp])
            await self._consumer.commit({tp: records[-1].offset + 1})
            return
        stream = self._streams.get(tp)
        if stream is None:
            stream = await self._take_over(tp, records[0].offset)
        rows = []
        for record in records:
            if record.offset < stream.next_offset:
                continue  # already in an earlier stream
            try:
                rows.append(self._row(tp.topic, record))
            except InvalidRecordError as error:
                await self._refused_rows.send(record, str(error))
        if tp in self._unsure and rows:
            rows = await self._without_present(tp, rows)
        while rows:
            rows = await self._append(tp, rows)
        await self._commit(tp, records[-1].offset + 1)

    async def _append(self, tp: TopicPartition, rows: list[Row]) -> list[Row]:
        """Write the rows up to the first gap in offsets, and give the rest; a refused row makes a gap."""
        stream = self._streams[tp]
        first = rows[0].record.offset
        if first != stream.next_offset:
            stream = await self._begin_stream(tp, first)
        count = next((n for n, row in enumerate(rows) if row.record.offset != first + n), len(rows))
        try:
            encoded = [row.encoded for row in rows[:count]]
            await self._writer.call(
                "append", stream.name, first - stream.base, encoded, self._encoders[tp.topic].descriptor
            )
        except RowsRefusedError as error:
            for place, why in sorted(error.reasons.items()):
                await self._refused_rows.send(rows[place].record, why)
            return [row for place, row in enumerate(rows) if place not in error.reasons]
        stream.next_offset = first + count
        self.written += count
        return rows[count:]

    async def _take_over(self, tp: TopicPartition, position: int) -> OpenStream:
        """Finalize the previous writer's stream and begin one behind its rows; `position` is the committed offset."""
        committed = await self._committed(tp)
        if committed is not None and committed.metadata:
            previous = json.loads(committed.metadata)
            try:
                position = max(position, previous["base"] + await self._writer.call("finalize", previous["stream"]))
            except StreamLostError:
                # BigQuery deletes streams that are unused for days: then the table is queried for present rows.
                self._unsure.add(tp)
        return await self._begin_stream(tp, position)

    async def _begin_stream(self, tp: TopicPartition, base: int) -> OpenStream:
        stream = OpenStream(await self._writer.call("open_stream", self._tables[tp.topic].name), base)
        self._streams[tp] = stream
        await self._commit(tp, base)
        return stream

    async def _commit(self, tp: TopicPartition, offset: int) -> None:
        stream = self._streams[tp]
        metadata = json.dumps({"stream": stream.name, "base": stream.base})
        await self._consumer.commit({tp: OffsetAndMetadata(offset, metadata)})

    async def _without_present(self, tp: TopicPartition, rows: list[Row]) -> list[Row]:
        table = self._tables[tp.topic]
        present = await asyncio.to_thread(present_keys, self._warehouse, table, [row.key for row in rows])
        missing = [row for row in rows if row.key not in present]
        if missing:
            self._unsure.discard(tp)
        return missing

    def _row(self, topic: str, record: Any) -> Row:
        table = self._tables[topic]
        if record.value is None:
            raise InvalidRecordError("value", None, f"a {table.record}")
        name, fields = self._codec.decode_fields(record.value)
        if name != table.record:
            raise InvalidRecordError("value", name, f"a {table.record}")
        require_streamable(table, fields, now_ms())
        try:
            return Row(record, fields[table.key], self._encoders[topic].encode(fields))
        except (TypeError, ValueError) as error:
            raise InvalidRecordError("value", name, f"a row of {table.name} ({error})") from None

    async def _seek_to_committed(self, tp: TopicPartition) -> None:
        committed = await self._committed(tp)
        self._consumer.seek(tp, 0 if committed is None else committed.offset)

    async def _committed(self, tp: TopicPartition) -> Any | None:
        """Committed OffsetAndMetadata of the group; the consumer itself gives only the offset."""
        async with admin(self._settings) as client:
            offsets = await client.list_consumer_group_offsets(self._group, partitions=[tp])
        committed = offsets.get(tp)
        return None if committed is None or committed.offset < 0 else committed


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    """Drops streams in a rebalance: each generation takes its partitions over again."""

    def __init__(self) -> None:
        self.sink: BigQuerySink | None = None

    async def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ARG002 - aiokafka's interface
        """Drop the streams."""
        if self.sink is not None:
            self.sink.drop_streams()

    async def on_partitions_assigned(self, assigned: Any) -> None:  # noqa: ARG002 - as above
        """Note it; streams are opened with the first records."""
        if self.sink is not None:
            self.sink.has_joined = True


async def run_sink(settings: Settings, wanted: Sequence[Table], *, group: str = GROUP) -> None:
    """Write topics into their tables until cancelled. The tables must exist (`journeys bigquery apply`).

    With JOURNEYS_METRICS_PORT it serves its health and figures meanwhile. Raises OperationError if the port can't be
    had, BigQueryError, RegistryUnreachableError, and as `journeys.agents.kafka.connection`.
    """
    group = settings.topic_prefix + group
    async with AsyncExitStack() as stack:
        health = None if settings.metrics_port is None else stack.enter_context(SinkHealth(settings))
        target = warehouse(settings)
        await require_broker(settings)
        async with admin(settings) as client:
            with suppress(TopicAlreadyExistsError):
                factor = await new_replication_factor(client, settings)
                durable = replica_settings(factor)
                await client.create_topics([NewTopic(settings.topic(DEAD_LETTERS), 1, factor, topic_configs=durable)])
        dead_letter_producer = await stack.enter_async_context(producer(settings))
        writer = await stack.enter_async_context(StreamWriter.connected(target))
        rebalances = _Rebalances()
        options: Mapping[str, Any] = await client_options(settings)
        consumer = UnpackingConsumer(
            **options,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # While BigQuery is away the sink waits, and keeps its partitions.
            max_poll_interval_ms=_LONGEST_OUTAGE_MS,
            session_timeout_ms=round(settings.session_timeout_seconds * 1000),
            heartbeat_interval_ms=round(settings.session_timeout_seconds * 1000 / _HEARTBEATS_PER_SESSION),
        )
        follow_cluster(consumer._client)
        consumer.subscribe([settings.topic(table.topic) for table in wanted], listener=rebalances)
        await consumer.start()
        stack.push_async_callback(consumer.stop)
        codec = Codec()
        registry = await stack.enter_async_context(registry_of(settings, codec.catalog))
        retrying, refused = RetryingWriter(writer), RefusedRows(dead_letter_producer, settings.topic(DEAD_LETTERS))
        rebalances.sink = BigQuerySink(settings, target, group, consumer, retrying, refused, codec)
        if health is not None:
            health.watch(rebalances.sink, consumer, retrying)
        await rebalances.sink.run(registry)
