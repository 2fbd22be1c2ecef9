"""Mirrors the workers' journeys to Redis, by a connected manager on a thread of its own.

So neither reading the table nor writing to Redis blocks the trainer's event loop.
"""

from __future__ import annotations

import asyncio

from journeys.agents.settings.settings import Settings
from training_orchestrator.backend.journey_update import JourneyUpdate
from training_orchestrator.mirror.connected_source import ConnectedSource
from training_orchestrator.mirror.redis_mirror import RedisMirror
from training_orchestrator.runtime.loop_thread import LoopThread


class ConnectedMirror:
    """Mirror of Kafka's journeys. Any number of managers may write to the same Redis."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._source = ConnectedSource(settings, self._note, self._require_rebuild)
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
        """How often Redis was filled completely."""
        return self._mirror.rebuilds

    def start(self) -> None:
        """Start mirroring."""
        self._thread = LoopThread()
        self._thread.run(self._begin())

    async def stop(self) -> None:
        """Stop mirroring; Redis keeps its content."""
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

    def _require_rebuild(self) -> None:
        self._mirror.require_rebuild()
