"""Reads topics from the log, without a consumer group: a span that is there, or the tail as it grows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from journeys.agents.kafka.connection import consumer, require_broker
from journeys.agents.kafka.schema_registry import SchemaRegistry, registry_of
from journeys.agents.kafka.topic_setup import UnknownTopicError, partition_count
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.schemas.catalog import Catalog

__all__ = ["LogBatch", "LogHeadGoneError", "LogReader", "ReaderStalledError", "UnknownTopicError", "open_log", "tail"]

_BATCH_RECORDS: Final = 5_000
_FETCH_BYTES: Final = 4 * 1024 * 1024  # for each partition; a larger record batch comes whole all the same
_POLL_MS: Final = 1_000
_STALL_SECONDS: Final = 30.0
# A position outside the log must be an error: a jump would leave records out in silence.
_OPTIONS: Final = {"auto_offset_reset": "none", "max_partition_fetch_bytes": _FETCH_BYTES}


class LogBatch(NamedTuple):
    """Records of one partition in order of their offsets: aiokafka's ConsumerRecord (offset, key, value, ...)."""

    topic: str
    partition: int
    records: Sequence[Any]


class LogHeadGoneError(OperationError):
    """The first records of a partition are no longer there, so a replay can't give what live gave."""


class ReaderStalledError(OperationError):
    """A partition gave nothing for too long although its log has more."""


class LogReader:
    """Reads one topic, one partition at a time.

    `start_offsets` are the first offsets that are there, `end_offsets` those behind the last record, both by
    partition and as of the opening.
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

    def require_head(self) -> None:
        """Raise LogHeadGoneError unless every partition begins at offset 0."""
        for partition, offset in sorted(self.start_offsets.items()):
            if offset > 0:
                raise LogHeadGoneError(
                    f"{self.topic}[{partition}] begins at offset {offset}: records before it were deleted, so a "
                    "replay can't give what live gave; keep them next time (retention.ms=-1, retention.bytes=-1)"
                )

    async def read_partition(
        self, partition: int, *, start: int | None = None, end: int | None = None
    ) -> AsyncGenerator[LogBatch, None]:
        """Yield records from `start` (default: the first) up to and without `end` (default: `end_offsets`).

        Raises ReaderStalledError, LogHeadGoneError if records that are wanted are deleted, KafkaUnreachableError.
        """
        position = self.start_offsets[partition] if start is None else start
        end = self.end_offsets[partition] if end is None else end
        if position >= end:
            return
        tp = TopicPartition(self.topic, partition)
        self._client.assign([tp])
        self._client.seek(tp, position)
        moved_at = monotonic()
        while position < end:
            fetched = await self._fetch(tp)
            # Control records are never given out, but the position goes past them, and so to the end.
            reached = await self._client.position(tp)
            if reached > position:
                position, moved_at = reached, monotonic()
            elif monotonic() - moved_at > self._stall_seconds:
                await self._stalled(tp, position, end)
            if fetched and fetched[-1].offset >= end:
                fetched = [record for record in fetched if record.offset < end]
            if fetched:
                yield await _learned(self._registry, LogBatch(self.topic, partition, fetched))
                moved_at = monotonic()  # the time that the caller took is no stall

    async def end_offsets_now(self) -> dict[int, int]:
        """Offsets behind the last record, by partition, at this moment."""
        return await _end_offsets(self._client, self.topic, self.partition_count)

    async def offsets_since(self, at: int) -> dict[int, int]:
        """Offset of the first record with a timestamp of `at` (ms) or later, by partition; else its end."""
        tps = {TopicPartition(self.topic, partition): at for partition in self.end_offsets}
        found = await self._client.offsets_for_times(tps)
        return {
            tp.partition: self.end_offsets[tp.partition] if there is None else there.offset
            for tp, there in found.items()
        }

    async def _fetch(self, tp: TopicPartition) -> Sequence[Any]:
        try:
            fetched = await self._client.getmany(tp, timeout_ms=_POLL_MS, max_records=_BATCH_RECORDS)
        except OffsetOutOfRangeError:
            raise LogHeadGoneError(
                f"{tp.topic}[{tp.partition}]: records were deleted before they were read; "
                "keep them next time (retention.ms=-1, retention.bytes=-1)"
            ) from None
        records: Sequence[Any] = fetched.get(tp, ())
        return records

    async def _stalled(self, tp: TopicPartition, position: int, end: int) -> None:
        await require_broker(self._settings)
        raise ReaderStalledError(
            f"{tp.topic}[{tp.partition}] gave nothing for {self._stall_seconds:g} s at offset {position} although it "
            f"ends at {end}: look at the broker's log"
        )


@asynccontextmanager
async def open_log(
    settings: Settings, topic: str, *, catalog: Catalog | None, stall_seconds: float = _STALL_SECONDS
) -> AsyncIterator[LogReader]:
    """Give a reader of a topic.

    `catalog` is that of the codec which will decode the values: the reader fetches the schemas that they name from the
    schema registry into it, if one is configured. None is for a caller that decodes nothing.
    Raises UnknownTopicError, MissingRightsError, KafkaUnreachableError, and while it reads RegistryUnreachableError.
    """
    count = await partition_count(settings, topic, "Read")
    async with consumer(settings, **_OPTIONS) as client, _registry(settings, catalog) as registry:
        tps = [TopicPartition(topic, partition) for partition in range(count)]
        first = await client.beginning_offsets(tps)
        starts = {tp.partition: offset for tp, offset in first.items()}
        ends = await _end_offsets(client, topic, count)
        yield LogReader(settings, topic, client, starts, ends, registry, stall_seconds)


async def tail(
    settings: Settings,
    topics: Sequence[str],
    *,
    catalog: Catalog | None,
    start_offsets: Mapping[tuple[str, int], int] | None = None,
    heard: Callable[[], None] = lambda: None,
) -> AsyncGenerator[LogBatch, None]:
    """Yield records of topics as they come, for ever; waits without end where nothing comes.

    `start_offsets` by (topic, partition); partitions that it leaves out begin at their present end. `heard` is called
    when Kafka has answered, also where it had nothing to give. `catalog` as for `open_log`.
    Raises as `open_log`, and LogHeadGoneError for a start that was deleted.
    """
    counts = {topic: await partition_count(settings, topic, "Read") for topic in topics}
    async with consumer(settings, **_OPTIONS) as client, _registry(settings, catalog) as registry:
        tps = [TopicPartition(topic, partition) for topic, count in counts.items() for partition in range(count)]
        positions = await client.end_offsets(tps) | {
            TopicPartition(*place): offset for place, offset in (start_offsets or {}).items()
        }
        client.assign(tps)
        for tp in tps:
            client.seek(tp, positions[tp])
        heard_at: float | None = None
        while True:
            try:
                fetched = await client.getmany(timeout_ms=_POLL_MS, max_records=_BATCH_RECORDS)
            except OffsetOutOfRangeError as error:
                raise LogHeadGoneError(f"records were deleted before they were read ({error})") from None
            for tp, records in fetched.items():
                yield await _learned(registry, LogBatch(tp.topic, tp.partition, records))
            if not fetched and heard_at is not None:
                if monotonic() - heard_at <= _STALL_SECONDS:
                    continue
                # Silence may be a quiet topic or a broker that is gone: aiokafka tells nobody.
                await require_broker(settings)
            heard_at = monotonic()
            heard()


@asynccontextmanager
async def _registry(settings: Settings, catalog: Catalog | None) -> AsyncIterator[SchemaRegistry | None]:
    if catalog is None:
        yield None
        return
    async with registry_of(settings, catalog) as registry:
        yield registry


async def _learned(registry: SchemaRegistry | None, batch: LogBatch) -> LogBatch:
    """The batch, when the schemas of its values are known."""
    if registry is not None:
        await registry.learn_from(record.value for record in batch.records)
    return batch


async def _end_offsets(client: Any, topic: str, count: int) -> dict[int, int]:
    ends = await client.end_offsets([TopicPartition(topic, partition) for partition in range(count)])
    return {tp.partition: offset for tp, offset in ends.items()}
