"""Restores one partition of the table from its changelog, without a worker."""

from __future__ import annotations

from journeys.agents.kafka.log_reader import LogReader
from journeys.agents.kafka.tombstone import tombstone_offset
from journeys.agents.verify.stored_partition import StoredPartition
from journeys.schemas.codec import Codec
from journeys.schemas.rows import is_policy
from journeys.streams.partition.restore import Restore
from journeys.streams.partition.state import Partition


async def read_stored_partition(log: LogReader, number: int, codec: Codec) -> StoredPartition:
    """Read a partition of the changelog, up to its end offset at the opening of the log.

    Raises ReaderStalledError, KafkaUnreachableError, RegistryUnreachableError, and as Restore.onto:
    TableMismatchError, UnreadableRowError.
    """
    restore = Restore()
    async for batch in log.read_partition(number):
        restore.add_all(
            [
                (record.key, tombstone_offset(record.headers) if record.value is None else record.value)
                for record in batch.records
            ]
        )
    partition = Partition(number, log.partition_count)
    restore.onto(partition, codec)
    ahead = {
        row.key: row.offset
        for row in restore.winners()
        if row.offset > partition.applied_offset and (row.value is None or is_policy(row.key))
    }
    return StoredPartition(partition, ahead)
