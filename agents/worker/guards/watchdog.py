"""The watchdog: ends a worker in which a partition has records that are not fetched, or has lost them.

After a rebalance Faust's consumer may stop fetching a partition (faust #629) without an error. The watchdog compares
positions with end offsets, and leaves the restart to the supervisor.
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

    from journeys.agents.worker.ports.worker_ports import MemoryGate, Worker

log = logging.getLogger("journeys.watchdog")
_CHECK_EVERY_SECONDS = 10.0
_STALLED_AFTER_SECONDS = 120.0


class Watchdog:
    """Ends the process when an input partition with records makes no progress."""

    def __init__(self, worker: Worker, memory: MemoryGate) -> None:
        self._worker = worker
        self._memory = memory
        self._moved: dict[TP, tuple[int, float]] = {}
        self._lost: dict[TP, str] = {}

    async def watch(self) -> None:
        """Check every few seconds, without end."""
        while True:
            await asyncio.sleep(_CHECK_EVERY_SECONDS)
            if self._memory.is_reached:
                self._moved.clear()  # the worker pauses on purpose, and has logged it
            elif not self._worker.rebalancing:
                await self.check()

    async def check(self) -> None:
        """Compare positions with the log; ends the process if one has not moved for too long, or is outside."""
        consumer = self._worker.consumer
        positions = dict(consumer.next_position)
        try:
            lost = await consumer.lost_positions()
            ends = await consumer.highwaters(*positions) if positions else {}
        except KafkaError as error:
            # Without a broker nothing can be fetched, and that is no stall: the time counts from its return on.
            log.warning("the end offsets are not known: %s", error)
            self._moved.clear()
            return
        for tp, why in lost.items():
            if self._lost.get(tp) == why:  # twice, because a leader may just have changed
                end_now(WorkerExit.SETUP, why)
        self._lost = lost
        now = monotonic()
        for tp, position in positions.items():
            known, since = self._moved.get(tp, (position, now))
            if tp in self._worker.held_back or position != known or position >= (ends.get(tp) or 0):
                known, since = position, now
            self._moved[tp] = (known, since)
            if now - since > _STALLED_AFTER_SECONDS:
                end_now(
                    WorkerExit.STALLED,
                    f"{tp.topic}[{tp.partition}] ends at {ends.get(tp)}, nothing beyond {position} was fetched "
                    f"for {now - since:.0f} s",
                )
