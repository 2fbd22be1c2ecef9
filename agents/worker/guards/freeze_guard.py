"""The freeze guard: ends a worker whose process was suspended for too long.

A process that is suspended for longer than its session (SIGSTOP, a paused container, a suspended host) loses its
partitions without noticing; when it resumes, it would write old rows over newer ones.
"""

from __future__ import annotations

import time
from threading import Event, Thread

from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now

_TICK_SECONDS = 0.1
# Python's monotonic clock stops while the host is suspended; Linux has one that does not.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _now() -> float:
    """Seconds since an arbitrary start, including a suspension of the host where the system counts it."""
    return time.clock_gettime(_CLOCK)


class FreezeGuard:
    """Ends the process when it was suspended for longer than `limit_seconds`.

    The ticks come from a thread, not a task: a batch or a restore that occupies the event loop is no freeze, since
    heartbeats are sent by another thread. The gap is checked at each tick and before each send, because either may
    run first after a freeze, and a tick would hide the gap from the send.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._ticked_at = _now()
        self._stopped = Event()

    def start(self) -> None:
        """Tick until the process ends or `stop` is called."""
        self._ticked_at = _now()
        Thread(target=self._tick, name="freeze-guard", daemon=True).start()

    def stop(self) -> None:
        """Stop ticking."""
        self._stopped.set()

    def check(self) -> None:
        """End the process if it was suspended since the last tick."""
        self._checked_at()

    def _checked_at(self) -> float:
        """Check, and give the instant of the check: with a later one, a freeze in between would be missed."""
        now = _now()
        still_seconds = now - self._ticked_at
        if still_seconds > self._limit_seconds and not self._stopped.is_set():
            end_now(WorkerExit.FROZEN, f"stood still for {still_seconds:.1f} s; other workers may own its partitions")
        return now

    def _tick(self) -> None:
        while not self._stopped.wait(_TICK_SECONDS):
            self._ticked_at = self._checked_at()
