"""The input topic as history for a backtest: each partition's records in their order, without the time that it holds.

A partition is a history of its own, with a clock of its own, as it is for a worker: what lies in two partitions has no
order. Punctuations and policies are left out, and so is what a worker makes a dead letter of.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from journeys.agents.kafka.log_reader import LogBatch, LogReader, open_log
from journeys.agents.kafka.schema_registry import SchemaRegistry, registry_of
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import JourneyRecord
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.log_entries import log_entries
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.record_processor import require_own, require_partition
from journeys.streams.partition.state import Partition

Progress = Callable[[int, int | None], None]
BadRecord = Callable[[int, int, str], None]


class TopicHistory:
    """The topic as of the opening. A context manager, with an event loop of its own that runs while it reads.

    `left_out` counts the punctuations and policies that were read. Raises LogHeadGoneError if a partition does not
    begin at 0, UnknownTopicError, ReaderStalledError, KafkaUnreachableError, RegistryUnreachableError.
    """

    def __init__(self, settings: Settings, bad_record: BadRecord, progress: Progress) -> None:
        """`bad_record` gets partition, offset and reason; `progress` the offsets read, and how many there are."""
        self.left_out = 0
        self._settings = settings
        self._bad_record = bad_record
        self._progress = progress
        self._codec = Codec()
        self._runner = asyncio.Runner()
        self._opened = AsyncExitStack()
        self._log: LogReader
        self._registry: SchemaRegistry | None = None

    def __enter__(self) -> Self:
        self._runner.__enter__()
        try:
            self._runner.run(self._open())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._runner.run(self._opened.aclose())
        finally:
            self._runner.__exit__(kind, error, trace)

    @property
    def partitions(self) -> range:
        """Numbers of the partitions."""
        return range(self._log.partition_count)

    def size(self, partition: int) -> int:
        """Offsets of a partition."""
        return self._log.end_offsets[partition]

    def records(self, number: int) -> Iterator[tuple[int, JourneyRecord]]:
        """Yield a partition's journey records, numbered as the lines of a file are: the offset plus one."""
        partition = Partition(number, self._log.partition_count)
        processor = Processor(partition)
        total = sum(self._log.end_offsets.values())
        before = sum(map(self.size, range(number)))
        batches = self._log.read_partition(number)
        while (batch := self._runner.run(self._next(batches))) is not None:
            for entry in log_entries(batch.records, self._codec):
                offset, key, append_time, record, _ = entry
                try:
                    if isinstance(record, JourneyRecord):
                        require_own(partition, record, key, append_time)
                        require_partition(partition, key)
                        yield offset + 1, record
                    elif isinstance(record, InvalidRecordError):
                        raise record
                    else:
                        self._left_out(number, processor.process([entry]))
                except InvalidRecordError as error:
                    self._bad_record(number, offset, str(error))
            self._progress(before + batch.records[-1].offset + 1, total)

    def _left_out(self, number: int, effects: Effects) -> None:
        """Count the topic's time and policies: applied, they say how far ahead of its append time a record may lie."""
        for letter in effects.dead_letters:
            self._bad_record(number, letter.offset, letter.reason)
        self.left_out += effects.counts.punctuations + effects.counts.policies

    async def _open(self) -> None:
        self._registry = await self._opened.enter_async_context(registry_of(self._settings, self._codec.catalog))
        self._log = await self._opened.enter_async_context(open_log(self._settings, JOURNEY_EVENTS))
        self._log.require_head()

    async def _next(self, batches: AsyncIterator[LogBatch]) -> LogBatch | None:
        batch = await anext(batches, None)
        if batch is not None and self._registry is not None:
            await self._registry.learn_from(record.value for record in batch.records)
        return batch
