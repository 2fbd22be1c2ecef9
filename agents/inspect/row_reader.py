"""Reads the row of one journey from the changelog, and its published records from the output topics."""

from __future__ import annotations

from collections import deque
from typing import Any

from journeys.agents.inspect.journey_view import SHOWN_RECORDS, JourneyView
from journeys.agents.kafka.log_reader import LogReader, open_log
from journeys.agents.kafka.tombstone import tombstone_offset
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.partitioner import partition_of
from journeys.schemas.records import JourneyAbandoned, JourneyLifecycle
from journeys.schemas.rows import journey_key, journey_of
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE, changelog_name
from journeys.streams.partition.restore import Restore
from journeys.streams.partition.state import Partition


async def read_row(settings: Settings, journey_id: str) -> JourneyView:
    """Read the journey's partition of the changelog and of the output topics, from the first record to the last.

    Raises UnknownTopicError, ReaderStalledError, KafkaUnreachableError, RegistryUnreachableError,
    journeys.streams.partition.restore.TableMismatchError if the table has another number of partitions.
    """
    codec = Codec()
    partition = await _partition_with(settings, journey_id, codec)
    abandonments: list[JourneyAbandoned] = await _published(settings, JOURNEY_ABANDONMENTS, journey_id, codec)
    lifecycle: list[JourneyLifecycle] = await _published(settings, JOURNEY_LIFECYCLE, journey_id, codec)
    return JourneyView(
        journey_id=journey_id,
        partition=partition.number,
        row=partition.rows.get(journey_id),
        clock=partition.clock,
        abandonments=abandonments,
        lifecycle=lifecycle,
    )


async def _partition_with(settings: Settings, journey_id: str, codec: Codec) -> Partition:
    """Partition of the journey, restored with the row of this journey only."""
    restore = Restore()
    async with open_log(settings, changelog_name(settings.application_id), catalog=codec.catalog) as log:
        partition = Partition(partition_of(journey_id.encode(), log.partition_count), log.partition_count)
        wanted = journey_key(journey_id)
        async for batch in log.read_partition(partition.number):
            # The partition row and the policies are few; of the journeys only one is kept.
            records = [record for record in batch.records if record.key == wanted or journey_of(record.key) is None]
            for record in records:
                offset = tombstone_offset(record.headers) if record.value is None else -1
                restore.add(record.key, record.value, offset)
    restore.onto(partition, codec)
    return partition


async def _published(settings: Settings, topic: str, journey_id: str, codec: Codec) -> list[Any]:
    """Last records of the journey in an output topic, oldest first, each once."""
    key = journey_id.encode()
    published: deque[Any] = deque(maxlen=SHOWN_RECORDS)
    async with open_log(settings, topic, catalog=codec.catalog) as log:
        async for values in _values_of(log, key):
            for value in values:
                record = codec.decode(value)
                if record not in published:  # published again after a crash
                    published.append(record)
    return list(published)


async def _values_of(log: LogReader, key: bytes) -> Any:
    """Yield lists of the values with a key, from the partition of that key."""
    async for batch in log.read_partition(partition_of(key, log.partition_count)):
        yield [record.value for record in batch.records if record.key == key and record.value is not None]
