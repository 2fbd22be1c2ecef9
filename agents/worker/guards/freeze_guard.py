"""The freeze guard: a worker that stood still must not go on as if nothing had happened.

A process that is stopped longer than its session (SIGSTOP, a paused container, a suspended host) loses its
partitions without noticing, and on waking would write old rows over newer ones.
"""

from __future__ import annotations

import time
from threading import Event, Thread

from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now

_TICK_SECONDS = 0.1
# Python's monotonic clock stands still with a host that is suspended; on Linux there is one that doesn't.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _now() -> float:
    """Seconds since some beginning, those of a suspension included where the system counts them."""
    return time.clock_gettime(_CLOCK)


class FreezeGuard:
    """Ends the process when it finds that it stood still longer than `limit_seconds`.

    A thread ticks, not a task: a batch or a restore that keeps the event loop busy is no freeze, heartbeats go
    on in a thread of their own. Looked at in the tick and before each send, because after a freeze either may
    run first, and the tick would hide the gap from the send.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._ticked_at = _now()
        self._stopped = Event()

    def start(self) -> None:
        """Begin to tick, until the process ends or `stop` is called."""
        self._ticked_at = _now()
        Thread(target=self._tick, name="freeze-guard", daemon=True).start()

    def stop(self) -> None:
        """Tick no more."""
        self._stopped.set()

    def check(self) -> None:
        """End the process if it stood still since the last tick."""
        self._look()

    def _look(self) -> float:
        """Give the instant of looking: noted as a later one, a freeze between the two would never be seen."""
        now = _now()
        still_seconds = now - self._ticked_at
        if still_seconds > self._limit_seconds and not self._stopped.is_set():
            end_now(WorkerExit.FROZEN, f"stood still for {still_seconds:.1f} s; other workers may own its partitions")
        return now

    def _tick(self) -> None:
        while not self._stopped.wait(_TICK_SECONDS):
            self._ticked_at = self._look()
