"""All guards of a worker, started and stopped together.

They run from the start of the process on, in tasks of their own: Faust starts tasks and timers of an app only after its
first restore, and many a worker that is stuck never gets that far.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now

if TYPE_CHECKING:
    from journeys.agents.worker.guards.admission import Admission
    from journeys.agents.worker.guards.freeze_guard import FreezeGuard
    from journeys.agents.worker.guards.group_guard import GroupGuard
    from journeys.agents.worker.guards.loop_guard import LoopGuard
    from journeys.agents.worker.guards.watchdog import Watchdog

log = logging.getLogger("journeys.guards")


@dataclass(slots=True)
class Guards:
    """Each ends the process for a reason of its own."""

    freeze: FreezeGuard
    loop: LoopGuard
    group: GroupGuard
    watchdog: Watchdog
    admission: Admission
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        """Start all; to be called in the worker's event loop, by the thread that runs it."""
        self.freeze.start()
        self.loop.start()
        watches = (self.group.watch, self.watchdog.watch, self.admission.watch)
        self._tasks = [asyncio.create_task(_watched(watch)) for watch in watches]

    def stop(self) -> None:
        """Stop all: a slow shutdown is no freeze."""
        self.freeze.stop()
        self.loop.stop()
        log.info(
            "longest hold of the interpreter: %.3f s, in CPU time %.3f s",
            self.freeze.longest_hold_seconds,
            self.freeze.longest_hold_cpu_seconds,
        )
        for task in self._tasks:
            task.cancel()


async def _watched(watch: Callable[[], Awaitable[None]]) -> None:
    """Run a guard; an error of its own ends the process, which would be without it."""
    try:
        await watch()
    except Exception as error:
        log.exception("guard")
        end_now(WorkerExit.FAILED, f"a guard failed: {error!r}")
