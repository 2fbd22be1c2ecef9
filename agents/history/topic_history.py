"""The input topic as history for a backtest: the journey records of each partition, in their order.

Each partition is a separate history with its own clock, as for a worker: records of two partitions have no order.
Punctuations, policies and records that become dead letters are left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from journeys.agents.kafka.log_reader import LogReader, open_log
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
    """The topic as of its opening. A context manager, which reads in an event loop of its own.

    `left_out` counts the punctuations, policies and marks that were read.
    Raises RecordsDeletedError if a partition does not begin at 0, UnknownTopicError, ReaderStalledError,
    KafkaUnreachableError, RegistryUnreachableError.
    """

    def __init__(self, settings: Settings, bad_record: BadRecord, progress: Progress) -> None:
        """`bad_record` gets partition, offset and reason; `progress` the offsets read and their total."""
        self.left_out = 0
        self._settings = settings
        self._bad_record = bad_record
        self._progress = progress
        self._codec = Codec()
        self._runner = asyncio.Runner()
        self._opened = AsyncExitStack()
        self._log: LogReader

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
        """End offset of a partition."""
        return self._log.end_offsets[partition]

    def records(self, number: int) -> Iterator[tuple[int, JourneyRecord]]:
        """Yield a partition's journey records, numbered as the lines of a file are: the offset plus one."""
        partition = Partition(number, self._log.partition_count)
        processor = Processor(partition)
        total = sum(self._log.end_offsets.values())
        before = sum(map(self.size, range(number)))
        partition.marks = self._runner.run(self._log.marks(number))
        batches = self._log.read_partition(number, marks=partition.marks)
        while (batch := self._runner.run(anext(batches, None))) is not None:
            for entry in log_entries(batch.records, self._codec, partition.marks):
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
        """Count punctuations, policies and marks, applied: they limit how far in the future a record may be."""
        for letter in effects.dead_letters:
            self._bad_record(number, letter.offset, letter.reason)
        counts = effects.counts
        self.left_out += counts.read - counts.dead

    async def _open(self) -> None:
        opening = open_log(self._settings, JOURNEY_EVENTS, catalog=self._codec.catalog)
        self._log = await self._opened.enter_async_context(opening)
        self._log.require_complete()
