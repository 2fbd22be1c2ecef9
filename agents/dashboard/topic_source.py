"""Keeps the dashboard's index of a live input topic, with a consumer of its own that commits nothing."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import Any, Final, NamedTuple

from journeys.agents.dashboard.journey_index import JourneyIndex
from journeys.agents.dashboard.log_index import LogIndexer
from journeys.agents.kafka.group_lag import group_lag
from journeys.agents.kafka.group_members import describe_group
from journeys.agents.kafka.log_reader import LogReader, open_log, tail
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.partition.log_entries import log_entries
from journeys.streams.partition.state import Partition

# Views are answered between two slices: the reference takes some milliseconds for one.
_SLICE_RECORDS: Final = 200
_LOOK_SECONDS: Final = 1.0
_RATE_SECONDS: Final = 5.0


class PartitionNow(NamedTuple):
    """One partition of the input topic. Counts are offsets, `clock` and `behind_ms` are of the log as it was read."""

    number: int
    end: int
    lag: int | None
    """Of the workers; None where they have committed nothing."""
    unread: int
    """What the page has not read yet."""
    clock: int | None
    behind_ms: int | None
    """The present time less the clock; negative where the clock is ahead."""


class TopicNow(NamedTuple):
    """The input topic and its workers, as of the last look."""

    partitions: list[PartitionNow]
    input_per_second: float
    applied_per_second: float
    workers: list[tuple[str, list[int]]]
    fault: str | None


class TopicSource:
    """Reads the topic into `index` and looks at its ends; `now` is what the last look found."""

    def __init__(self, settings: Settings, index: JourneyIndex) -> None:
        self.now = TopicNow([], 0.0, 0.0, [], None)
        self._settings = settings
        self._index = index
        self._codec = Codec()
        count = len(index.parts)
        self._indexers = [LogIndexer(Partition(part, count), index.parts[part]) for part in range(count)]
        self._recent: deque[tuple[float, int, int]] = deque()
        self._fault: str | None = None

    async def follow(self) -> None:
        """Read the topic from its beginning on, without end; what Kafka refuses is said on the page, and tried again.

        Raises RecordsDeletedError and UnknownTopicError at once, where nothing can be read.
        """
        async with open_log(self._settings, JOURNEY_EVENTS, catalog=self._codec.catalog) as log:
            log.require_complete()
            for number, indexer in enumerate(self._indexers):
                indexer.partition.marks = await log.marks(number)
                async for batch in log.read_partition(number, marks=indexer.partition.marks):
                    await self._take(number, batch.records)
        while True:
            try:
                await self._tail()
            except OperationError as error:
                self._fault = str(error)
                await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """Look at the topic's ends and the workers, each second, without end."""
        while True:
            try:
                async with open_log(self._settings, JOURNEY_EVENTS, catalog=None) as log:
                    while True:
                        await self._look(log)
                        self._fault = None
                        await asyncio.sleep(_LOOK_SECONDS)
            except OperationError as error:
                self._fault = str(error)
            self.now = self.now._replace(fault=self._fault)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _tail(self) -> None:
        starts = {(JOURNEY_EVENTS, number): part.end for number, part in enumerate(self._index.parts)}
        topics = [JOURNEY_EVENTS]
        async for batch in tail(self._settings, topics, catalog=self._codec.catalog, start_offsets=starts):
            await self._take(batch.partition, batch.records)

    async def _take(self, number: int, records: Sequence[Any]) -> None:
        indexer = self._indexers[number]
        for start in range(0, len(records), _SLICE_RECORDS):
            some = records[start : start + _SLICE_RECORDS]
            indexer.take(log_entries(some, self._codec, indexer.partition.marks))
            await asyncio.sleep(0)
        self._index.parts[number].flush()

    async def _look(self, log: LogReader) -> None:
        ends = await log.end_offsets_now()
        lags = await group_lag(self._settings, ends)
        group = await describe_group(self._settings)
        at, wall = monotonic(), now_ms()
        partitions = []
        for number, part in enumerate(self._index.parts):
            behind = None if part.clock is None else wall - part.clock
            unread = max(0, ends[number] - part.end)
            partitions.append(PartitionNow(number, ends[number], lags[number], unread, part.clock, behind))
        written = sum(ends.values())
        applied = sum(end - (lags[number] or 0) for number, end in ends.items() if lags[number] is not None)
        self._recent.append((at, written, applied))
        while at - self._recent[0][0] > _RATE_SECONDS:
            self._recent.popleft()
        since, first_written, first_applied = self._recent[0]
        seconds = max(at - since, 0.001)
        self.now = TopicNow(
            partitions,
            max(0, written - first_written) / seconds,
            max(0, applied - first_applied) / seconds,
            sorted((member.name, sorted(member.partitions)) for member in group.members),
            None,
        )
