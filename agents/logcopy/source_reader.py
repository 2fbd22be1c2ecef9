"""Reads the old log: all partitions, each from its beginning to its end, and then what comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from journeys.agents.kafka.connection import consumer, require_broker
from journeys.agents.kafka.log_reader import ReaderStalledError, RecordsDeletedError, TopicReplacedError, open_log
from journeys.agents.kafka.schema_registry import SchemaRegistry, registry_of
from journeys.agents.kafka.topic_identity import topic_identities
from journeys.agents.kafka.topic_setup import partition_count
from journeys.agents.settings.settings import Settings
from journeys.schemas.catalog import Catalog
from journeys.schemas.marks import Marks
from journeys.schemas.topics import JOURNEY_EVENTS

_BATCH_RECORDS: Final = 5_000
_FETCH_BYTES: Final = 4 * 1024 * 1024
_POLL_MS: Final = 500
_STALL_SECONDS: Final = 30.0


class SourceReader:
    """Reader of the input topic. `positions` are the next offsets, `ends` those behind the last records, as of `look`.

    `ended` are the partitions that are read up to there.
    """

    def __init__(self, settings: Settings, client: Any, registry: SchemaRegistry | None, count: int) -> None:
        self.name = settings.topic(JOURNEY_EVENTS)
        self.partition_count = count
        self.ends: dict[int, int] = {}
        self.positions: dict[int, int] = {}
        self.marks: dict[int, Marks] = {}
        """By partition, what its marks said when the reader began. A mark holds for records in front of it, too."""
        self._settings = settings
        self._client = client
        self._registry = registry
        self._identity: Mapping[str, Any] = {}
        self._moved_at = monotonic()

    @property
    def ended(self) -> set[int]:
        """Partitions that are read up to their ends."""
        return {number for number, end in self.ends.items() if self.positions[number] >= end}

    async def open(self) -> None:
        """Begin at the first records. Raises RecordsDeletedError if those are gone."""
        tps = [TopicPartition(self.name, number) for number in range(self.partition_count)]
        for tp, first in sorted((await self._client.beginning_offsets(tps)).items()):
            if first > 0:
                raise RecordsDeletedError(
                    f"{tp.topic}[{tp.partition}] begins at offset {first}: records before it were deleted, and a copy "
                    "without them would decide otherwise"
                )
        self._client.assign(tps)
        for tp in tps:
            self._client.seek(tp, 0)
        self.positions = dict.fromkeys(range(self.partition_count), 0)
        self._identity = await topic_identities(self._client._client, [self.name])
        await self.look()

    async def look(self) -> bool:
        """Look for the present ends; whether there is anything new. Raises TopicReplacedError."""
        identity = await topic_identities(self._client._client, [self.name])
        if identity != self._identity:
            raise TopicReplacedError(f"{self.name} was deleted, created again, or got more partitions meanwhile")
        tps = [TopicPartition(self.name, number) for number in range(self.partition_count)]
        ends = {tp.partition: end for tp, end in (await self._client.end_offsets(tps)).items()}
        is_new = ends != self.ends
        self.ends = ends
        return is_new

    async def read(self, wanted: Collection[int]) -> dict[int, Sequence[Any]]:
        """Read some of the wanted partitions up to their ends; raises ReaderStalledError, RecordsDeletedError."""
        tps = [TopicPartition(self.name, number) for number in wanted]
        try:
            fetched = await self._client.getmany(*tps, timeout_ms=_POLL_MS, max_records=_BATCH_RECORDS)
        except OffsetOutOfRangeError as error:
            raise RecordsDeletedError(f"records were deleted before they were copied ({error})") from None
        for tp in tps:
            position = await self._client.position(tp)
            if position > self.positions[tp.partition]:
                self.positions[tp.partition] = position
                self._moved_at = monotonic()
        if not fetched and monotonic() - self._moved_at > _STALL_SECONDS:
            await require_broker(self._settings)
            raise ReaderStalledError(f"{self.name} gives no records for {_STALL_SECONDS:g} s: look at the broker's log")
        if self._registry is not None:
            for tp, records in fetched.items():
                marks = self.marks[tp.partition]
                read = [record.value for record in records if marks.skipped_by(record.offset) is None]
                await self._registry.learn_from(read, marks)
        return {tp.partition: records for tp, records in fetched.items()}

    def rest(self) -> None:
        """Note that nothing is read for now because there is nothing to read."""
        self._moved_at = monotonic()


@asynccontextmanager
async def open_source(settings: Settings, catalog: Catalog) -> AsyncIterator[SourceReader]:
    """Give a reader of the input topic; `catalog` is that of the codec which decodes the records.

    Raises UnknownTopicError, RecordsDeletedError, MissingRightsError, KafkaUnreachableError.
    """
    count = await partition_count(settings, JOURNEY_EVENTS, "Read")
    options: dict[str, Any] = {"auto_offset_reset": "none", "max_partition_fetch_bytes": _FETCH_BYTES}
    async with consumer(settings, **options) as client, registry_of(settings, catalog) as registry:
        reader = SourceReader(settings, client, registry, count)
        await reader.open()
        async with open_log(settings, JOURNEY_EVENTS, catalog=None) as log:
            reader.marks = {number: await log.marks(number) for number in range(count)}
        yield reader
