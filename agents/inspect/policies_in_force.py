"""Reads from the changelog which policy is in force in each partition."""

from __future__ import annotations

from typing import Any

from journeys.agents.kafka.log_reader import LogReader, open_log
from journeys.agents.kafka.tombstone import tombstone_offset
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.rows import journey_of
from journeys.schemas.topics import changelog_name
from journeys.streams.partition.restore import Restore
from journeys.streams.partition.state import Partition


async def policies_in_force(settings: Settings) -> list[Partition]:
    """Partitions without their journeys, as of the last flush; without a flush, with the default policy.

    Reads the whole changelog. Raises UnknownTopicError, ReaderStalledError,
    KafkaUnreachableError, TableMismatchError.
    """
    codec = Codec()
    partitions: list[Partition] = []
    async with open_log(settings, changelog_name(settings.application_id), catalog=codec.catalog) as log:
        for number in range(log.partition_count):
            restore = Restore()
            for record in await _other_rows(log, number):
                restore.add(record.key, record.value, tombstone_offset(record.headers))
            partition = Partition(number, log.partition_count)
            restore.onto(partition, codec)
            partitions.append(partition)
    return partitions


async def _other_rows(log: LogReader, number: int) -> list[Any]:
    """Changelog records of a partition that are not about a journey."""
    return [
        record
        async for batch in log.read_partition(number)
        for record in batch.records
        if journey_of(record.key) is None
    ]
