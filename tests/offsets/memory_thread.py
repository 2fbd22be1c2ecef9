"""Stands for Faust's aiokafka thread: a log in memory, positions, commits.

As there, a fetch may be waiting while somebody seeks, and then brings what lies behind the new position.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiokafka.errors import IllegalStateError
from aiokafka.structs import ConsumerRecord, TopicPartition
from faust.types import TP

_CREATE_TIME = 0


@dataclass
class MemoryLog:
    """One partition: offsets of its records, in order, and what outlives a worker. An offset left out is a marker."""

    offsets: list[int] = field(default_factory=list)
    end: int = 0
    applied_to: int = -1
    """Last offset that is applied and stored."""
    committed: int | None = None

    def append(self, count: int, *, marker: bool = False) -> None:
        """Append records, perhaps behind a control record, which has an offset and is never delivered."""
        self.end += marker
        self.offsets += range(self.end, self.end + count)
        self.end += count


class MemoryThread:
    """What BatchConsumer asks of the thread."""

    def __init__(self, logs: Mapping[TP, MemoryLog], value: Callable[[int], bytes]) -> None:
        self.logs = logs
        self.assigned: set[TP] = set()
        self.positions: dict[TP, int] = {}
        self.refuses_commits = False
        self.waits_seconds = 0.0
        """How long the latest fetch would wait for records."""
        self._value = value
        self._fetch: asyncio.Future[Mapping[TP, int]] | None = None

    @property
    def is_fetching(self) -> bool:
        """Whether a fetch waits for its records."""
        return self._fetch is not None

    def bring(self, counts: Mapping[TP, int]) -> None:
        """Let the waiting fetch return, with at most so many records of each partition."""
        assert self._fetch is not None
        self._fetch.set_result(counts)

    def highwater(self, tp: TP) -> int:
        """Offset behind the last record, as a fetch would tell it."""
        return self.logs[tp].end

    async def getmany(self, active: set[TP], timeout: float) -> dict[TopicPartition, list[ConsumerRecord]]:  # noqa: ASYNC109
        """Wait until records are to be brought; then take them from where the positions are by now."""
        self.waits_seconds = timeout
        self._fetch = asyncio.get_running_loop().create_future()
        try:
            counts = await self._fetch
        finally:
            self._fetch = None
        fetched: dict[TopicPartition, list[ConsumerRecord]] = {}
        for tp, count in counts.items():
            position = self.positions.get(tp)
            if tp in active and tp in self.assigned and position is not None:
                taken = [offset for offset in self.logs[tp].offsets if offset >= position][:count]
                if taken:
                    self.positions[tp] = taken[-1] + 1
                    fetched[TopicPartition(*tp)] = [self._record(tp, offset) for offset in taken]
        return fetched

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Seek, as aiokafka does it: not without the partition."""
        await asyncio.sleep(0)
        for tp, position in partitions.items():
            if tp not in self.assigned:
                raise IllegalStateError(f"{tp} is not assigned")
            self.positions[tp] = position
        await asyncio.sleep(0)

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit: never past a record that is not applied and stored."""
        for tp, offset in offsets.items():
            log = self.logs[tp]
            lost = [unapplied for unapplied in log.offsets if log.applied_to < unapplied < offset]
            assert not lost, f"{offset} committed, {lost} not applied"
            if not self.refuses_commits:
                log.committed = offset
        return not self.refuses_commits

    def assignment(self) -> set[TP]:
        """Partitions of this member."""
        return self.assigned

    async def earliest_offsets(self, *partitions: TP) -> dict[TP, int]:
        """First offsets."""
        return dict.fromkeys(partitions, 0)

    async def highwaters(self, *partitions: TP) -> dict[TP, int]:
        """Ends."""
        return {tp: self.logs[tp].end for tp in partitions}

    def _record(self, tp: TP, offset: int) -> ConsumerRecord:
        value = self._value(offset)
        return ConsumerRecord(
            tp.topic, tp.partition, offset, 0, _CREATE_TIME, None, value, None, 0, len(value), headers=()
        )
