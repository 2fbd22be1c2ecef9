"""Follows the output topics for a reader that keeps its position elsewhere (in Redis)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from journeys.schemas.invalid import InvalidRecordError
from training_orchestrator.api.answers import StoreUnavailableError
from training_orchestrator.runtime.task_end import end
from training_orchestrator.sources.published_outputs import Place, PublishedRecord
from training_orchestrator.sources.topic_source import TopicSource

_READ_AHEAD: Final = 4  # batches


class FollowedOutputs:
    """Reads on from the last batch over one connection; other positions than those behind it begin a new read."""

    def __init__(self, source: TopicSource) -> None:
        self._source = source
        self._positions: dict[Place, int] = {}
        self._read: asyncio.Queue[list[PublishedRecord]] = asyncio.Queue(_READ_AHEAD)
        self._reading: asyncio.Task[None] | None = None

    async def take(self, positions: Mapping[Place, int]) -> list[PublishedRecord]:
        """Next batch from `positions` on; empty when there is none yet. Raises StoreUnavailableError."""
        if self._reading is None or positions != self._positions:
            await self.close()
            self._positions = dict(positions)
            self._read = asyncio.Queue(_READ_AHEAD)
            self._reading = asyncio.create_task(self._follow(dict(positions), self._read))
        if self._read.empty():
            if self._reading.done():
                reading, self._reading = self._reading, None
                reading.result()
            return []
        batch = self._read.get_nowait()
        for each in batch:
            self._positions[each.place] = each.offset + 1
        return batch

    async def close(self) -> None:
        """Stop reading."""
        reading, self._reading = self._reading, None
        await end(reading)

    async def _follow(self, positions: dict[Place, int], read: asyncio.Queue[list[PublishedRecord]]) -> None:
        try:
            async for batch in self._source.records(positions, follow=True):
                if batch:
                    await read.put(batch)
        except InvalidRecordError as error:
            raise StoreUnavailableError(f"an output topic holds a record that can't be read: {error}") from error
