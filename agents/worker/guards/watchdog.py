"""The progress watchdog: a partition that has records and is not fetched ends the worker.

After a rebalance Faust's consumer can stay silent on a partition for ever (faust #629). Nothing inside
notices, so this compares the log's end with the position, and leaves the restart to the supervisor.
"""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now

if TYPE_CHECKING:
    from faust.types import TP

    from journeys.agents.worker.ports.worker_ports import Room, Worker

log = logging.getLogger("journeys.watchdog")
_LOOK_EVERY_SECONDS = 10.0
_STALLED_AFTER_SECONDS = 120.0


class Watchdog:
    """Ends the process when an input partition with records makes no progress."""

    def __init__(self, worker: Worker, memory: Room) -> None:
        self._worker = worker
        self._memory = memory
        self._moved: dict[TP, tuple[int, float]] = {}

    async def watch(self) -> None:
        """Look every few seconds, for ever."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            if self._memory.is_reached:
                self._moved.clear()  # it stands still on purpose, and has said so
            elif not self._worker.rebalancing:
                await self.look()

    async def look(self) -> None:
        """Compare positions with the ends of the log; ends the process if one has stood still too long."""
        consumer = self._worker.consumer
        positions = dict(consumer.next_position)
        try:
            ends = await consumer.highwaters(*positions) if positions else {}
        except KafkaError as error:
            # Nothing is fetched from a broker that is away, and that is no stall: time counts from its return on.
            log.warning("the ends of the log are not known: %s", error)
            self._moved.clear()
            return
        now = monotonic()
        for tp, position in positions.items():
            known, since = self._moved.get(tp, (position, now))
            if position != known or position >= (ends.get(tp) or 0):
                known, since = position, now
            self._moved[tp] = (known, since)
            if now - since > _STALLED_AFTER_SECONDS:
                end_now(
                    WorkerExit.STALLED,
                    f"{tp.topic}[{tp.partition}] ends at {ends.get(tp)}, nothing beyond {position} was fetched "
                    f"for {now - since:.0f} s",
                )
