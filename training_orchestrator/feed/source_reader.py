"""Reads a feed's source in the background, a few batches ahead of the trainer."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from training_orchestrator.runtime.task_end import end

if TYPE_CHECKING:
    from training_orchestrator.sources.published_outputs import FeedSource, Place, PublishedRecord

_BATCHES_AHEAD: Final = 4  # a slow trainer holds back its own reading, and nobody else's


class SourceReader:
    """Yields the records of a source from `positions` on. Make it within a running event loop."""

    def __init__(self, source: FeedSource, positions: Mapping[Place, int], *, follow: bool) -> None:
        self.has_ended = False
        """Whether the source's end was reached and all its records were taken."""
        self._source = source
        self._positions = positions
        self._follow = follow
        self._batch: deque[PublishedRecord] = deque()
        self._queue: asyncio.Queue[list[PublishedRecord] | BaseException | None] = asyncio.Queue(_BATCHES_AHEAD)
        self._reading = asyncio.create_task(self._read())

    async def next_record(self, deadline: float) -> PublishedRecord | None:
        """Next record; None at the end of the source, or at the `deadline` (of time.monotonic).

        Raises what the source raises.
        """
        while not self._batch:
            if self.has_ended:
                return None
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    batch = await self._queue.get()
            except TimeoutError:
                return None
            if isinstance(batch, BaseException):
                raise batch
            if batch is None:
                self.has_ended = True
            else:
                self._batch.extend(batch)
        return self._batch.popleft()

    async def close(self) -> None:
        """Stop reading."""
        await end(self._reading)

    async def _read(self) -> None:
        try:
            async for batch in self._source.records(self._positions, follow=self._follow):
                if batch:
                    await self._queue.put(batch)
        except Exception as error:
            await self._queue.put(error)
        else:
            await self._queue.put(None)
