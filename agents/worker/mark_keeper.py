"""The mark keeper: appends a worker's marks to the input topic, and reads those of its partitions.

A mark holds once it is in the log, and where two say something about the same record, the first one does. So what a
worker has appended it reads back, together with whatever stands in front of it, before it goes by it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from aiokafka.errors import KafkaError

from journeys.agents.kafka.log_reader import open_log
from journeys.agents.settings.operation_error import OperationError
from journeys.schemas.marks import mark_headers, mark_value
from journeys.schemas.records import Mark, OffsetSkipped
from journeys.schemas.topics import JOURNEY_EVENTS

if TYPE_CHECKING:
    from journeys.agents.settings.settings import Settings
    from journeys.agents.worker.ports.worker_ports import Partitions
    from journeys.streams.partition.protocols import JourneyPartition

log = logging.getLogger("journeys.marks")
AppendMark: TypeAlias = Callable[[int, bytes, Sequence[tuple[str, bytes]]], Awaitable[asyncio.Future[Any]]]
"""Appends a value with headers to a partition of the input topic; gives a future of the acknowledgement."""
_RETRY_SECONDS: Final = 2.0


class MarkKeeper:
    """Marks of the partitions of one worker."""

    def __init__(self, settings: Settings, partitions: Callable[[], Partitions], append: AppendMark) -> None:
        self._settings = settings
        self._partitions = partitions
        self._append = append
        self._read_to: dict[int, int] = {}
        """By partition, the offset up to which its marks were looked for ahead of what is applied."""

    async def append(self, number: int, marks: Iterable[Mark]) -> None:
        """Append marks to a partition, and know all of its marks up to these; tries again while Kafka is away."""
        for mark in marks:
            await self._until_done(partial(self._append_one, number, mark))
        await self.read([number])

    async def read(self, numbers: Iterable[int]) -> None:
        """Look for marks ahead of what restored partitions have applied; tries again while Kafka is away."""
        wanted = sorted(numbers)
        await self._until_done(partial(self._read, wanted))

    def take(self, partition: JourneyPartition, marks: Iterable[tuple[int, Mark]]) -> None:
        """Add marks to a partition. One that skips what was applied before it came is too late for this worker."""
        for offset, mark in marks:
            is_new = offset not in partition.marks.by_offset
            partition.marks.add(offset, mark)
            if is_new and isinstance(mark, OffsetSkipped) and mark.offset <= partition.applied_offset < offset:
                log.error(
                    "%s[%d]: the mark at offset %d skips offset %d, which was applied before: a replay will differ "
                    "in it; append such marks while no worker has the partition, or while it stands there",
                    *(JOURNEY_EVENTS, partition.number, offset, mark.offset),
                )

    def looked_to(self, number: int) -> int:
        """Offset up to which a partition was looked through: the end of its log when it was restored."""
        return self._read_to.get(number, 0)

    def forget(self) -> None:
        """Look ahead anew: other workers may have had the partitions meanwhile."""
        self._read_to.clear()

    async def _append_one(self, number: int, mark: Mark) -> None:
        acknowledged = await self._append(number, mark_value(mark), mark_headers(mark))
        await acknowledged

    async def _read(self, numbers: list[int]) -> None:
        async with open_log(self._settings, JOURNEY_EVENTS, catalog=None) as reader:
            for number in numbers:
                processor = self._partitions().processors.get(number)
                if processor is None:
                    continue
                partition = processor.partition
                first = max(partition.applied_offset + 1, self._read_to.get(number, 0), reader.start_offsets[number])
                found = await reader.marks(number, first)
                self._read_to[number] = max(first, reader.end_offsets[number])
                self.take(partition, found.by_offset.items())

    async def _until_done(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await work()
            except (OperationError, KafkaError) as error:
                log.warning("marks: %s; trying again", error)
                await asyncio.sleep(_RETRY_SECONDS)
