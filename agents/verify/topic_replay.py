"""Replays the input topic through the pure core, partition by partition, with the same decisions as a worker."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import NamedTuple

from journeys.agents.kafka.log_reader import LogReader, open_log
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.rows import MarkRow, PolicyRow
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.partition.driver import replay_partition
from journeys.streams.partition.effects import Counts, Effects
from journeys.streams.partition.log_entries import log_entries
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from journeys.streams.rule.policy import Policy


class TopicReplay:
    """One replay. Its attributes are updated while `effects` runs.

    `counts` and `records_read` are of all partitions; `offsets_total` is the number of offsets to read, transaction
    markers included; `end_offsets`, `clocks` and `time_sources` are by partition.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        policy: Policy | None = None,
        until: int | None = None,
        end_offsets: Mapping[int, int] | None = None,
        codec: Codec | None = None,
    ) -> None:
        """Replay with `policy` instead of the log's, up to `until` (ms), or up to `end_offsets` by partition."""
        self.counts = Counts()
        self.records_read = 0
        self.offsets_total = 0
        self.end_offsets: dict[int, int] = dict(end_offsets or {})
        self.clocks: dict[int, int | None] = {}
        self.time_sources: dict[int, str | None] = {}
        self._settings = settings
        self._policy = policy
        self._until = until
        self._codec = codec or Codec()

    async def effects(self) -> AsyncGenerator[Effects, None]:
        """Yield the effects of each record, partition by partition; holds one fetch and the rows of one partition.

        The first record whose time is after `until` ends its partition. No punctuation is added.
        Raises RecordsDeletedError if a partition does not begin at 0, UnknownTopicError, ReaderStalledError,
        KafkaUnreachableError, RegistryUnreachableError.
        """
        async with open_log(self._settings, JOURNEY_EVENTS, catalog=self._codec.catalog) as log:
            log.require_complete()
            self.end_offsets = log.end_offsets | self.end_offsets
            self.offsets_total = sum(self.end_offsets.values())
            for number in range(log.partition_count):
                partition = Partition(number, log.partition_count, policy=self._policy)
                async for effects in self._replay(log, partition):
                    self.counts.add(effects.counts)
                    yield effects
                self.clocks[number] = partition.clock
                self.time_sources[number] = partition.time_source

    async def _replay(self, log: LogReader, partition: Partition) -> AsyncGenerator[Effects, None]:
        partition.marks = await log.marks(partition.number)
        end = self.end_offsets[partition.number]
        async for batch in log.read_partition(partition.number, end=end, marks=partition.marks):
            entries = log_entries(batch.records, self._codec, partition.marks)
            read_before = self.records_read
            for effects in replay_partition(entries, partition, until=self._until):
                self.records_read += 1
                yield effects
            if self.records_read < read_before + len(batch.records):
                return  # `until` is reached


class ReplayedPartition(NamedTuple):
    """A partition after a replay, and the policies and marks of the log, as rows."""

    partition: Partition
    policies: list[PolicyRow]
    marks: list[MarkRow]


async def replay_partition_to(
    log: LogReader,
    number: int,
    end: int,
    codec: Codec,
    progress: Callable[[int], None] | None = None,
) -> ReplayedPartition:
    """Replay one partition of the input topic up to and without the offset `end`; holds all its rows in memory.

    `progress` gets the offset behind each fetch. Raises ReaderStalledError, RecordsDeletedError, KafkaUnreachableError.
    """
    replayed = ReplayedPartition(Partition(number, log.partition_count), [], [])
    replayed.partition.marks = await log.marks(number)
    processor = Processor(replayed.partition)
    async for batch in log.read_partition(number, end=end, marks=replayed.partition.marks):
        effects = processor.process_log(batch.records, codec)
        replayed.policies.extend(effects.policies)
        replayed.marks.extend(effects.marks)
        if progress is not None:
            progress(batch.records[-1].offset + 1)
    return replayed
