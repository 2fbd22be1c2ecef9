"""Redis as a cache and a fan-out of the workers' journeys, kept by a connected manager on a thread of its own.

So neither reading the table nor writing to Redis takes time of the trainer's event loop.
"""

from __future__ import annotations

import asyncio

from journeys.agents.settings.settings import Settings
from training_orchestrator.backend.journey_update import JourneyUpdate
from training_orchestrator.mirror.connected_source import ConnectedSource
from training_orchestrator.mirror.redis_mirror import RedisMirror
from training_orchestrator.runtime.loop_thread import LoopThread


class ConnectedMirror:
    """A Follower of Kafka's journeys. Any number of managers may keep the same Redis."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._source = ConnectedSource(settings, self._note, self._fill_anew)
        self._mirror = RedisMirror(url, self._source)
        self._thread: LoopThread | None = None

    @property
    def breaker_state(self) -> str:
        """`closed`, `opened` or `half-opened`."""
        return self._mirror.breaker_state

    @property
    def openings(self) -> int:
        """How often the breaker has opened."""
        return self._mirror.openings

    @property
    def rebuilds(self) -> int:
        """How often all of it was filled."""
        return self._mirror.rebuilds

    def start(self) -> None:
        """Begin to follow."""
        self._thread = LoopThread()
        self._thread.run(self._begin())

    async def stop(self) -> None:
        """Follow no more; what Redis holds stays."""
        if self._thread is not None:
            thread, self._thread = self._thread, None
            await asyncio.to_thread(thread.run, self._end())
            await asyncio.to_thread(thread.close)

    async def _begin(self) -> None:
        self._mirror.start()

    async def _end(self) -> None:
        await self._mirror.stop()
        await self._source.close()

    def _note(self, updates: list[JourneyUpdate]) -> None:
        self._mirror.note(updates)

    def _fill_anew(self) -> None:
        self._mirror.fill_anew()
