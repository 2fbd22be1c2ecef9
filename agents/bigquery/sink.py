"""The sink without Connect: output topics into tables, exactly once.

For each partition there is one committed stream, and a row's offset in it is its Kafka offset less that of the
stream's first row (`base`). Stream and base are committed to the consumer group, as the metadata of its offset,
*before* the first row goes into the stream. So whoever takes a partition over, after a crash or a rebalance,
finalizes the stream, which shuts out the writer before, is told how many rows it holds, and goes on exactly behind
them with a stream of its own. A request whose answer was lost is sent again at the same offset: BigQuery says that
the rows are there, and that is success.

A record that can't be a row is a dead letter; as a stream has no holes, the next one begins behind it. Touchpoints of
the input topic go another way (touchpoint_writer).
Nothing is buffered but one fetch: while BigQuery is away the sink stands still, and Kafka keeps the records.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Final, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import CommitFailedError, TopicAlreadyExistsError
from aiokafka.structs import OffsetAndMetadata

from journeys.agents.bigquery.client import Warehouse, warehouse
from journeys.agents.bigquery.connector import DEAD_LETTERS
from journeys.agents.bigquery.event_time import require_streamable
from journeys.agents.bigquery.patient_writer import PatientWriter
from journeys.agents.bigquery.present_rows import present_keys
from journeys.agents.bigquery.refused_rows import RefusedRows
from journeys.agents.bigquery.row_encoder import RowEncoder
from journeys.agents.bigquery.touchpoint_writer import TouchpointWriter
from journeys.agents.bigquery.write_stream import RowsRefusedError, StreamLostError, StreamWriter
from journeys.agents.kafka.connection import admin, client_options, producer, require_broker
from journeys.agents.kafka.schema_registry import SchemaRegistry, registry_of
from journeys.agents.settings.settings import Settings
from journeys.analytics.table import Table, all_tables, touchpoint_table
from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError

GROUP: Final = "journeys-bigquery-sink"
_BATCH_RECORDS: Final = 500
_POLL_MS: Final = 500
_HEARTBEATS_PER_SESSION: Final = 5
_LONGEST_OUTAGE_MS: Final = 7 * 86_400_000
_LOG = structlog.get_logger("sink")


class Row(NamedTuple):
    """One record of a topic as a row."""

    record: Any
    """aiokafka's ConsumerRecord."""
    key: str
    encoded: bytes


class OpenStream:
    """The stream of one partition. `next_offset` is the Kafka offset whose row comes next."""

    def __init__(self, name: str, base: int) -> None:
        self.name = name
        self.base = base
        self.next_offset = base


class BigQuerySink:
    """One member of the sink's group. `written`, `refused` count rows of this process."""

    def __init__(
        self,
        settings: Settings,
        house: Warehouse,
        group: str,
        consumer: Any,
        writer: PatientWriter,
        refused: RefusedRows,
        codec: Codec,
    ) -> None:
        self.written = 0
        self._group = group
        self._settings = settings
        self._house = house
        self._consumer = consumer
        self._writer = writer
        self._refused_rows = refused
        self._tables: dict[str, Table] = {table.topic: table for table in all_tables()}
        self._touchpoints = TouchpointWriter(touchpoint_table(), writer, refused, codec)
        self._encoders = {topic: RowEncoder(table) for topic, table in self._tables.items()}
        self._streams: dict[TopicPartition, OpenStream] = {}
        self._unsure: set[TopicPartition] = set()
        self._codec = codec

    @property
    def refused(self) -> int:
        """Records that became dead letters of the sink."""
        return self._refused_rows.count

    def forget(self) -> None:
        """Drop all streams: the partitions may be another member's now."""
        self._streams.clear()

    async def run(self, registry: SchemaRegistry | None) -> None:
        """Write until cancelled."""
        while True:
            fetched = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=_BATCH_RECORDS)
            for tp, records in fetched.items():
                if registry is not None:
                    await registry.learn_from(record.value for record in records)
                try:
                    await self._write(tp, records)
                except StreamLostError as error:
                    _LOG.warning("stream lost", partition=str(tp), why=str(error))
                    self._streams.pop(tp, None)
                    await self._seek_to_committed(tp)
                except CommitFailedError:
                    # The group has gone on without this member; its next generation begins anew.
                    self.forget()
                    break

    async def _write(self, tp: TopicPartition, records: Sequence[Any]) -> None:
        if tp.topic == touchpoint_table().topic:
            self.written += await self._touchpoints.write(records)
            await self._consumer.commit({tp: records[-1].offset + 1})
            return
        stream = self._streams.get(tp)
        if stream is None:
            stream = await self._taken_over(tp, records[0].offset)
        rows = []
        for record in records:
            if record.offset < stream.next_offset:
                continue  # the stream before holds it
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
        """Write the rows up to the first hole and give the rest; a refused row becomes a dead letter, and a hole."""
        stream = self._streams[tp]
        first = rows[0].record.offset
        if first != stream.next_offset:
            stream = await self._begun(tp, first)
        count = next((n for n, row in enumerate(rows) if row.record.offset != first + n), len(rows))
        try:
            encoded = [row.encoded for row in rows[:count]]
            await self._writer.asked(
                "append", stream.name, first - stream.base, encoded, self._encoders[tp.topic].descriptor
            )
        except RowsRefusedError as error:
            for place, why in sorted(error.reasons.items()):
                await self._refused_rows.send(rows[place].record, why)
            return [row for place, row in enumerate(rows) if place not in error.reasons]
        stream.next_offset = first + count
        self.written += count
        return rows[count:]

    async def _taken_over(self, tp: TopicPartition, position: int) -> OpenStream:
        """Shut out whoever wrote before and begin behind their rows; `position` is where the group says to begin."""
        said = await self._committed(tp)
        if said is not None and said.metadata:
            known = json.loads(said.metadata)
            try:
                position = max(position, known["base"] + await self._writer.asked("finalized", known["stream"]))
            except StreamLostError:
                # Streams go when nobody uses them for days: then the table itself is asked.
                self._unsure.add(tp)
        return await self._begun(tp, position)

    async def _begun(self, tp: TopicPartition, base: int) -> OpenStream:
        stream = OpenStream(await self._writer.asked("opened", self._tables[tp.topic].name), base)
        self._streams[tp] = stream
        await self._commit(tp, base)
        return stream

    async def _commit(self, tp: TopicPartition, offset: int) -> None:
        stream = self._streams[tp]
        said = json.dumps({"stream": stream.name, "base": stream.base})
        await self._consumer.commit({tp: OffsetAndMetadata(offset, said)})

    async def _without_present(self, tp: TopicPartition, rows: list[Row]) -> list[Row]:
        table = self._tables[tp.topic]
        present = await asyncio.to_thread(present_keys, self._house, table, [row.key for row in rows])
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
        said = await self._committed(tp)
        self._consumer.seek(tp, 0 if said is None else said.offset)

    async def _committed(self, tp: TopicPartition) -> Any | None:
        """What the group has committed, OffsetAndMetadata: the consumer itself tells but the offset."""
        async with admin(self._settings) as asked:
            found = await asked.list_consumer_group_offsets(self._group, partitions=[tp])
        said = found.get(tp)
        return None if said is None or said.offset < 0 else said


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    """Each generation takes its partitions over anew."""

    def __init__(self) -> None:
        self.sink: BigQuerySink | None = None

    async def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ARG002 - aiokafka's interface
        """Forget the streams."""
        if self.sink is not None:
            self.sink.forget()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Streams are opened with the first records."""


async def run_sink(settings: Settings, wanted: Sequence[Table], *, group: str = GROUP) -> None:
    """Write the topics of some tables into them, until cancelled. Tables must exist (`journeys bigquery apply`).

    Raises BigQueryError, KafkaUnreachableError, RegistryUnreachableError and what else Kafka's doors raise.
    """
    house = warehouse(settings)
    await require_broker(settings)
    async with admin(settings) as asked:
        with suppress(TopicAlreadyExistsError):
            await asked.create_topics([NewTopic(DEAD_LETTERS, 1, settings.replication_factor)])
    async with AsyncExitStack() as stack:
        sending = await stack.enter_async_context(producer(settings))
        writer = await stack.enter_async_context(StreamWriter.connected(house))
        rebalances = _Rebalances()
        options: Mapping[str, Any] = await client_options(settings)
        consumer = AIOKafkaConsumer(
            **options,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # The sink stands still as long as BigQuery is away, and keeps its partitions.
            max_poll_interval_ms=_LONGEST_OUTAGE_MS,
            session_timeout_ms=round(settings.session_timeout_seconds * 1000),
            heartbeat_interval_ms=round(settings.session_timeout_seconds * 1000 / _HEARTBEATS_PER_SESSION),
        )
        consumer.subscribe([table.topic for table in wanted], listener=rebalances)
        await consumer.start()
        stack.push_async_callback(consumer.stop)
        codec = Codec()
        registry = await stack.enter_async_context(registry_of(settings, codec.catalog))
        asking, refused = PatientWriter(writer), RefusedRows(sending)
        rebalances.sink = BigQuerySink(settings, house, group, consumer, asking, refused, codec)
        await rebalances.sink.run(registry)
