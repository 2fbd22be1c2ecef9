"""The freeze guard: ends a worker whose process was suspended for too long.

A process that is suspended for longer than its session (SIGSTOP, a paused container, a suspended host) loses its
partitions without noticing; when it resumes, it would write old rows over newer ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Thread, get_ident
from typing import Final, NamedTuple

from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now

_TICK_SECONDS: Final = 0.1
# The last heartbeat may be a fifth of a session old when the process stops sending any: see agents/worker/app.py.
_SESSION_LEFT: Final = 0.8
# Python's monotonic clock stops while the host is suspended; Linux has one that does not.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _now() -> float:
    """Seconds since an arbitrary start, including a suspension of the host where the system counts it."""
    return time.clock_gettime(_CLOCK)


class _Look(NamedTuple):
    """A look at both clocks, in seconds: the time, and what the worker's thread has computed so far."""

    at: float
    worked: float


class FreezeGuard:
    """Ends the process when it stood still for longer than `limit_seconds`, or sent no heartbeat for a session.

    The ticks come from a thread, not a task: a batch or a restore that occupies the event loop is no freeze, since
    heartbeats are sent by another thread. The gap is checked at each tick and before each send, because either may
    run first after a freeze, and a tick would hide the gap from the send.

    A call into native code that holds the interpreter for long delays the ticks, too, and the process works all the
    time. So what the thread that called `start` has computed in a gap is taken off it: a thread that is suspended
    computes nothing, so no freeze is taken for work. Other threads send no heartbeats in such a gap either: it may
    not outlast the session.
    """

    def __init__(self, limit_seconds: float, session_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._session_seconds = session_seconds * _SESSION_LEFT
        self._worked: Callable[[], float] = lambda: 0.0
        self._last = _Look(_now(), 0.0)
        self._stopped = Event()
        self.longest_hold_seconds = 0.0
        """Longest time so far for which no other thread could run: a tick came that much late."""
        self.longest_hold_cpu_seconds = 0.0
        """The same in CPU time of the worker's thread: less what other processes of a busy machine took."""

    def start(self) -> None:
        """Tick until the process ends or `stop` is called; to be called by the thread that does the work."""
        self._worked = _cpu_clock_of_this_thread()
        self._last = self._look()
        Thread(target=self._tick, name="freeze-guard", daemon=True).start()

    def stop(self) -> None:
        """Stop ticking."""
        self._stopped.set()

    def check(self) -> None:
        """End the process if it stood still since the last tick."""
        self._checked()

    def _look(self) -> _Look:
        worked = self._worked()  # first: what is computed behind it is not taken off the gap that ends here
        return _Look(_now(), worked)

    def _checked(self) -> _Look:
        """Check, and give the look that was checked: with a later one, a freeze in between would be missed."""
        look = self._look()
        gap_seconds, worked_seconds = look.at - self._last.at, look.worked - self._last.worked
        if self._stopped.is_set():
            return look
        still_seconds = gap_seconds - worked_seconds
        if still_seconds > self._limit_seconds:
            end_now(WorkerExit.FROZEN, f"stood still for {still_seconds:.1f} s; other workers may own its partitions")
        if gap_seconds > self._session_seconds:
            end_now(
                WorkerExit.FROZEN,
                f"one call took {gap_seconds:.1f} s, in which no heartbeat was sent; other workers may own its "
                "partitions; a longer JOURNEYS_SESSION_TIMEOUT_SECONDS gives it more time",
            )
        return look

    def _tick(self) -> None:
        while not self._stopped.wait(_TICK_SECONDS):
            last, self._last = self._last, self._checked()
            late_seconds = self._last.at - last.at - _TICK_SECONDS
            self.longest_hold_seconds = max(self.longest_hold_seconds, late_seconds)
            self.longest_hold_cpu_seconds = max(
                self.longest_hold_cpu_seconds, min(late_seconds, self._last.worked - last.worked)
            )


def _cpu_clock_of_this_thread() -> Callable[[], float]:
    """Clock that says how many seconds the calling thread has computed so far; 0 for ever where there is none."""
    clock_of = getattr(time, "pthread_getcpuclockid", None)  # not on macOS
    if clock_of is None:
        return lambda: 0.0
    clock_id = clock_of(get_ident())
    return lambda: time.clock_gettime(clock_id)
