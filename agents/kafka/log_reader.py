"""Reads topics without a consumer group: a range of offsets, or new records as they come."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from journeys.agents.kafka.connection import consumer, require_broker
from journeys.agents.kafka.schema_registry import SchemaRegistry, registry_of
from journeys.agents.kafka.topic_identity import Identities, topic_identities
from journeys.agents.kafka.topic_setup import UnknownTopicError, partition_count
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.schemas.catalog import Catalog
from journeys.schemas.marks import Marks, marks_among

__all__ = [
    "LogBatch",
    "LogReader",
    "ReaderStalledError",
    "RecordsDeletedError",
    "TopicReplacedError",
    "UnknownTopicError",
    "open_log",
    "tail",
]

_BATCH_RECORDS: Final = 5_000
_FETCH_BYTES: Final = 4 * 1024 * 1024  # for each partition; a larger record batch is fetched whole nevertheless
_POLL_MS: Final = 1_000
_STALL_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 5.0
"""How often a follower looks whether its topics are still the same."""
# A position outside the log must be an error: a reset would skip records without notice.
_OPTIONS: Final = {"auto_offset_reset": "none", "max_partition_fetch_bytes": _FETCH_BYTES}
# A range is read of what is there. aiokafka asks ahead at its end, too, and the broker would hold that answer for half
# a second, in which the next partition can't be asked for.
_RANGE_OPTIONS: Final = _OPTIONS | {"fetch_max_wait_ms": 20}


class LogBatch(NamedTuple):
    """Records of one partition in order of their offsets: aiokafka's ConsumerRecord (offset, key, value, ...)."""

    topic: str
    partition: int
    records: Sequence[Any]


class RecordsDeletedError(OperationError):
    """The first records of a partition were deleted, so a replay can't give what the worker gave."""


class TopicReplacedError(RecordsDeletedError):
    """A topic was deleted and created again while, or since, it was read: positions in it mean nothing any more."""


class ReaderStalledError(OperationError):
    """A partition gave no records for too long, although its end offset is not reached."""


class LogReader:
    """Reads one topic, one partition at a time.

    `start_offsets` are the offsets of the first records, `end_offsets` those behind the last ones, both by partition
    and as of the opening.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        client: Any,
        start_offsets: dict[int, int],
        end_offsets: dict[int, int],
        registry: SchemaRegistry | None,
        stall_seconds: float,
    ) -> None:
        self.topic = topic
        self.name = settings.topic(topic)
        """Its name in Kafka."""
        self.start_offsets = start_offsets
        self.end_offsets = end_offsets
        self._settings = settings
        self._client = client
        self._registry = registry
        self._stall_seconds = stall_seconds

    @property
    def partition_count(self) -> int:
        """Partitions of the topic."""
        return len(self.end_offsets)

    def require_complete(self) -> None:
        """Raise RecordsDeletedError unless every partition still begins at offset 0."""
        for partition, offset in sorted(self.start_offsets.items()):
            if offset > 0:
                raise RecordsDeletedError(
                    f"{self.name}[{partition}] begins at offset {offset}: records before it were deleted, so a "
                    "replay can't give what live gave; keep them next time (retention.ms=-1, retention.bytes=-1)"
                )

    async def marks(self, partition: int, start: int | None = None) -> Marks:
        """Marks of a partition of the input topic from `start` (default: the first record) up to its end as of now.

        A mark holds for records in front of it, too, so this is asked before they are read. It goes once over the
        headers. Raises as `read_partition`.
        """
        marks = Marks()
        end = (await self.end_offsets_now())[partition]
        async for records in self._fetched(partition, start, end):
            for offset, mark in marks_among(records):
                marks.add(offset, mark)
        return marks

    async def read_partition(
        self, partition: int, *, start: int | None = None, end: int | None = None, marks: Marks | None = None
    ) -> AsyncGenerator[LogBatch, None]:
        """Yield records from `start` (default: the first) up to and without `end` (default: `end_offsets`).

        No registry is asked for ids that `marks` decide.
        Raises ReaderStalledError, RecordsDeletedError, KafkaUnreachableError, RegistryUnreachableError.
        """
        async for records in self._fetched(partition, start, end):
            yield await _learned(self._registry, LogBatch(self.topic, partition, records), marks)

    async def _fetched(self, partition: int, start: int | None, end: int | None) -> AsyncGenerator[Sequence[Any], None]:
        """Yield records as `read_partition`, whatever their schemas are."""
        position = self.start_offsets[partition] if start is None else start
        end = self.end_offsets[partition] if end is None else end
        if position >= end:
            return
        tp = TopicPartition(self.name, partition)
        self._client.assign([tp])
        self._client.seek(tp, position)
        moved_at = monotonic()
        while position < end:
            fetched = await self._fetch(tp)
            # aiokafka gives out no control records, but its position moves past them, and so to the end.
            reached = await self._client.position(tp)
            if reached > position:
                position, moved_at = reached, monotonic()
            elif monotonic() - moved_at > self._stall_seconds:
                await self._stalled(tp, position, end)
            if fetched and fetched[-1].offset >= end:
                fetched = [record for record in fetched if record.offset < end]
            if fetched:
                yield fetched
                moved_at = monotonic()  # the caller's own time does not count

    async def end_offsets_now(self) -> dict[int, int]:
        """End offsets by partition, as of now."""
        return await _end_offsets(self._client, self.name, self.partition_count)

    async def offsets_at_time(self, at: int) -> dict[int, int]:
        """By partition, the offset of the first record with a timestamp of `at` (ms) or later, else the end offset."""
        tps = {TopicPartition(self.name, partition): at for partition in self.end_offsets}
        offsets = await self._client.offsets_for_times(tps)
        return {
            tp.partition: self.end_offsets[tp.partition] if first is None else first.offset
            for tp, first in offsets.items()
        }

    async def _fetch(self, tp: TopicPartition) -> Sequence[Any]:
        try:
            fetched = await self._client.getmany(tp, timeout_ms=_POLL_MS, max_records=_BATCH_RECORDS)
        except OffsetOutOfRangeError:
            raise RecordsDeletedError(
                f"{tp.topic}[{tp.partition}]: records were deleted before they were read; "
                "keep them next time (retention.ms=-1, retention.bytes=-1)"
            ) from None
        records: Sequence[Any] = fetched.get(tp, ())
        return records

    async def _stalled(self, tp: TopicPartition, position: int, end: int) -> None:
        await require_broker(self._settings)
        raise ReaderStalledError(
            f"{tp.topic}[{tp.partition}] gave no records for {self._stall_seconds:g} s at offset {position} although "
            f"it ends at {end}: look at the broker's log"
        )


@asynccontextmanager
async def open_log(
    settings: Settings, topic: str, *, catalog: Catalog | None, stall_seconds: float = _STALL_SECONDS
) -> AsyncIterator[LogReader]:
    """Give a reader of a topic, which is given by its name without prefix, as everywhere in this module.

    `catalog` is that of the codec which will decode the values: the reader fetches the schemas that they name from the
    schema registry into it, if one is configured. None is for a caller that decodes nothing.
    Raises UnknownTopicError, MissingRightsError, KafkaUnreachableError, and while it reads RegistryUnreachableError.
    """
    count = await partition_count(settings, topic, "Read")
    async with consumer(settings, **_RANGE_OPTIONS) as client, _registry(settings, catalog) as registry:
        name = settings.topic(topic)
        tps = [TopicPartition(name, partition) for partition in range(count)]
        first = await client.beginning_offsets(tps)
        starts = {tp.partition: offset for tp, offset in first.items()}
        ends = await _end_offsets(client, name, count)
        yield LogReader(settings, topic, client, starts, ends, registry, stall_seconds)


async def tail(
    settings: Settings,
    topics: Sequence[str],
    *,
    catalog: Catalog | None,
    start_offsets: Mapping[tuple[str, int], int] | None = None,
    on_answer: Callable[[], None] = lambda: None,
) -> AsyncGenerator[LogBatch, None]:
    """Yield new records of topics, without end; waits while there are none.

    `start_offsets` by (topic, partition); partitions that it leaves out begin at their present end. `on_answer` is
    called when Kafka has answered, with records or without. `catalog` as for `open_log`.
    Raises as `open_log`, RecordsDeletedError for a start that was deleted, and TopicReplacedError for one beyond the
    end, or when a topic is deleted and created again meanwhile.
    """
    counts = {topic: await partition_count(settings, topic, "Read") for topic in topics}
    async with consumer(settings, **_OPTIONS) as client, _registry(settings, catalog) as registry:
        names = {settings.topic(topic): topic for topic in topics}
        tps = [
            TopicPartition(settings.topic(topic), partition)
            for topic, count in counts.items()
            for partition in range(count)
        ]
        ends = await client.end_offsets(tps)
        positions = ends | {
            TopicPartition(settings.topic(topic), partition): offset
            for (topic, partition), offset in (start_offsets or {}).items()
        }
        _require_within(positions, ends)
        client.assign(tps)
        for tp in tps:
            client.seek(tp, positions[tp])
        known = await topic_identities(client._client, list(names))
        looked_at = monotonic()
        answered_at: float | None = None
        while True:
            if monotonic() - looked_at > _LOOK_SECONDS:
                _require_same(known, await topic_identities(client._client, list(names)))
                looked_at = monotonic()
            try:
                fetched = await client.getmany(timeout_ms=_POLL_MS, max_records=_BATCH_RECORDS)
            except OffsetOutOfRangeError as error:
                raise RecordsDeletedError(f"records were deleted before they were read ({error})") from None
            for tp, records in fetched.items():
                yield await _learned(registry, LogBatch(names[tp.topic], tp.partition, records))
            if not fetched and answered_at is not None:
                if monotonic() - answered_at <= _STALL_SECONDS:
                    continue
                # No records: the topic is quiet or the broker is away; aiokafka does not tell which.
                await require_broker(settings)
            answered_at = monotonic()
            on_answer()


def _require_same(known: Identities, now: Identities) -> None:
    for name, was in known.items():
        found = now.get(name)
        if was is not None and found is not None and found != was:
            raise TopicReplacedError(
                f"{name} was deleted and created again, or got more partitions: read it again from its beginning"
            )


def _require_within(positions: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> None:
    for tp, position in positions.items():
        if position > ends[tp]:
            raise TopicReplacedError(
                f"{tp.topic}[{tp.partition}] ends at offset {ends[tp]} and was read up to {position}: it was deleted "
                "and created again, or brought back from an older state; read it again from its beginning"
            )


@asynccontextmanager
async def _registry(settings: Settings, catalog: Catalog | None) -> AsyncIterator[SchemaRegistry | None]:
    if catalog is None:
        yield None
        return
    async with registry_of(settings, catalog) as registry:
        yield registry


async def _learned(registry: SchemaRegistry | None, batch: LogBatch, marks: Marks | None = None) -> LogBatch:
    """The batch, once the schemas of its values are in the catalog, but for those that marks decide."""
    if registry is not None:
        read = batch.records
        if marks:
            read = [record for record in read if marks.skipped_by(record.offset) is None]
        await registry.learn_from((record.value for record in read), marks)
    return batch


async def _end_offsets(client: Any, topic: str, count: int) -> dict[int, int]:
    ends = await client.end_offsets([TopicPartition(topic, partition) for partition in range(count)])
    return {tp.partition: offset for tp, offset in ends.items()}
