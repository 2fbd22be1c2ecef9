"""The freeze guard: a worker that stood still must not go on as if nothing had happened.

A process that is stopped longer than its session (SIGSTOP, a paused container, a suspended host) loses its
partitions without noticing, and on waking would write old rows over newer ones.
"""

from __future__ import annotations

import asyncio
from time import monotonic, process_time

from agents.worker_exit import WorkerExit, end_now

_TICK_SECONDS = 0.1


class FreezeGuard:
    """Ends the process when it finds that it stood still longer than `limit_seconds`.

    Standing still is wall time without processor time: a batch that keeps the processor busy is no freeze,
    heartbeats go on in a thread of their own. Checked in the tick, because on waking the tick may run first
    and would hide the gap, and before each send, because the sender may.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._at = monotonic()
        self._busy = process_time()

    def check(self) -> None:
        """End the process if it stood still since the last look."""
        at, busy = monotonic(), process_time()
        idle_seconds = (at - self._at) - (busy - self._busy)
        self._at, self._busy = at, busy
        if idle_seconds > self._limit_seconds:
            end_now(WorkerExit.FROZEN, f"stood still for {idle_seconds:.1f} s; other workers may own its partitions")

    async def tick(self) -> None:
        """Look ten times a second, for ever."""
        self._at, self._busy = monotonic(), process_time()
        while True:
            self.check()
            await asyncio.sleep(_TICK_SECONDS)
