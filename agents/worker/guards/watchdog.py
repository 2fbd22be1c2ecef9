"""The watchdog: ends a worker that has its partitions and does not get on with them, or has lost records of them.

After a rebalance Faust's consumer may stop fetching a partition (faust #629) without an error; a flush may wait for an
acknowledgement that never comes; a timer may be dead. The watchdog compares positions with end offsets, and leaves the
restart to the supervisor. Time in which Kafka does not answer counts for nothing: the worker waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError

from journeys.agents.settings.operation_error import OperationError
from journeys.agents.worker.guards import patience
from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from faust.types import TP

    from journeys.agents.worker.ports.worker_ports import MemoryGate, TimeWriter, Worker

log = logging.getLogger("journeys.watchdog")
_ANSWER_SECONDS = 30.0


class Watchdog:
    """Ends the process when a partition with records, or the writing of time, makes no progress."""

    def __init__(
        self,
        worker: Worker,
        memory: MemoryGate,
        time_writer: TimeWriter,
        flushing_since: Mapping[Any, float],
        require_kafka: Callable[[], Awaitable[None]],
    ) -> None:
        """`flushing_since` has the start of each running flush, by the monotonic clock.

        `require_kafka` opens a new connection; it raises OperationError where there is none to be had.
        """
        self._worker = worker
        self._memory = memory
        self._time_writer = time_writer
        self._flushing_since = flushing_since
        self._require_kafka = require_kafka
        self._moved: dict[TP, tuple[int, float]] = {}
        self._silent_since: float | None = None
        """Since when the consumer's thread has not answered."""
        self._paused_at = monotonic()
        """When it last had no partitions to get on with, or was not to."""
        self._lost: dict[TP, str] = {}

    async def watch(self) -> None:
        """Check every few seconds, without end."""
        while True:
            await asyncio.sleep(patience.CHECK_EVERY_SECONDS)
            if self._memory.is_reached or self._worker.rebalancing:
                self._pause()  # on purpose, and it has logged it; a rebalance is the group guard's
            else:
                await self.check()

    @property
    def still_seconds(self) -> float:
        """How long the partition that has waited longest, with records to apply, has made no progress."""
        now = monotonic()
        return max((now - since for _, since in list(self._moved.values())), default=0.0)

    async def check(self) -> None:
        """Compare positions with the log; ends the process if one has not moved for too long, or is outside."""
        consumer = self._worker.consumer
        positions = dict(consumer.next_position)
        if not positions:
            self._pause()
            return
        try:
            lost = await asyncio.wait_for(consumer.lost_positions(), _ANSWER_SECONDS)
            ends = await asyncio.wait_for(consumer.highwaters(*positions), _ANSWER_SECONDS)
        except TimeoutError:
            await self._check_consumer()
            return
        except KafkaError as error:
            # Without a broker nothing can be fetched, and that is no stall: the time counts from its return on.
            log.warning("the end offsets are not known: %s", error)
            self._pause()
            return
        for tp, why in lost.items():
            if self._lost.get(tp) == why:  # twice, because a leader may just have changed
                end_now(WorkerExit.SETUP, why)
        self._lost = lost
        now = monotonic()
        self._silent_since = None
        self._moved = {
            tp: self._moved_since(tp, position, ends.get(tp) or 0, now) for tp, position in positions.items()
        }
        for tp, (position, since) in self._moved.items():
            if now - since > patience.STUCK_AFTER_SECONDS:
                end_now(WorkerExit.STALLED, self._why_still(tp, position, ends.get(tp) or 0, now - since))
        # Faust starts timers only behind the first restore, and they do nothing while it rebalances.
        if now - self._paused_at > patience.STUCK_AFTER_SECONDS:
            stalled = self._time_writer.stalled(patience.STUCK_AFTER_SECONDS)
            if stalled is not None:
                end_now(WorkerExit.STALLED, stalled)

    def _pause(self) -> None:
        self._moved.clear()
        self._paused_at = monotonic()

    def _moved_since(self, tp: TP, position: int, end: int, now: float) -> tuple[int, float]:
        """Position of a partition, and since when it stands there although there is more."""
        known, since = self._moved.get(tp, (position, now))
        return (
            (position, now) if tp in self._worker.held_back or position != known or position >= end else (known, since)
        )

    def _why_still(self, tp: TP, position: int, end: int, seconds: float) -> str:
        place = f"{tp.topic}[{tp.partition}] ends at {end}"
        flushing_seconds = monotonic() - self._flushing_since.get(tp, monotonic())
        if flushing_seconds > seconds / 2:  # it may have begun some time after the first look
            return (
                f"{place}, and what was applied behind {position} waits for its acknowledgement for "
                f"{flushing_seconds:.0f} s though Kafka answers: do the outputs and the changelog have a leader, "
                "and as many replicas in sync as their min.insync.replicas says?"
            )
        return f"{place}, nothing beyond {position} was fetched for {seconds:.0f} s"

    async def _check_consumer(self) -> None:
        """End the process if the consumer's thread has not answered for too long, and Kafka does."""
        now = monotonic()
        try:
            await self._require_kafka()
        except OperationError as error:
            log.warning("the end offsets are not known: %s", error)
            self._pause()
            self._silent_since = None
            return
        if self._silent_since is None:
            self._silent_since = now - _ANSWER_SECONDS
        if now - self._silent_since > patience.STUCK_AFTER_SECONDS:
            end_now(
                WorkerExit.STALLED,
                f"its consumer has answered nothing for {now - self._silent_since:.0f} s though Kafka answers",
            )
