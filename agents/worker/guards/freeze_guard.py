"""The freeze guard: ends a worker whose process was suspended for too long.

A process that is suspended for longer than its session (SIGSTOP, a paused container, a suspended host) loses its
partitions without noticing; when it resumes, it would write old rows over newer ones.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from threading import Event, Thread, get_native_id
from typing import Final, NamedTuple

from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now

_TICK_SECONDS: Final = 0.1
# The last heartbeat may be a fifth of a session old when the process stops sending any: see agents/worker/app.py.
_SESSION_LEFT: Final = 0.8
_SCHEDSTAT_BYTES: Final = 100
_NANOSECONDS: Final = 1_000_000_000
# Python's monotonic clock stops while the host is suspended; Linux has one that does not.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _now() -> float:
    """Seconds since an arbitrary start, including a suspension of the host where the system counts it."""
    return time.clock_gettime(_CLOCK)


class Work(NamedTuple):
    """What a thread has done so far, in seconds: computed, and been ready to while it had no processor."""

    computed: float = 0.0
    queued: float = 0.0


class _Look(NamedTuple):
    """A look at the clock, in seconds, and at what the worker's thread and the guard's own have done by then."""

    at: float
    worker: Work
    guard: Work


class FreezeGuard:
    """Ends the process when it stood still for longer than `limit_seconds`, or sent no heartbeat for a session.

    The ticks come from a thread, not a task: a batch or a restore that occupies the event loop is no freeze, since
    heartbeats are sent by another thread. The gap is checked at each tick and before each send, because either may
    run first after a freeze, and a tick would hide the gap from the send.

    A call into native code that holds the interpreter for long delays the ticks, too, and so does a busy machine, on
    which a thread waits for a processor. What one of the two threads did or waited in a gap is taken off it: a thread
    that is suspended does neither, so no freeze is taken for work. But no other thread sends heartbeats in such a gap
    either: whatever fills it, it may not outlast the session.
    """

    def __init__(self, limit_seconds: float, session_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._session_seconds = session_seconds * _SESSION_LEFT
        self._work_of_worker: Callable[[], Work] = Work
        self._work_of_guard: Callable[[], Work] = Work
        self._last = _Look(_now(), Work(), Work())
        self._stopped = Event()
        self.longest_hold_seconds = 0.0
        """Longest time so far for which no other thread could run: a tick came that much late."""
        self.longest_hold_cpu_seconds = 0.0
        """The same in CPU time of the worker's thread: less what other processes of a busy machine took."""

    def start(self) -> None:
        """Tick until the process ends or `stop` is called; to be called by the thread that does the work."""
        self._work_of_worker = work_of_this_thread()
        begun = Event()
        Thread(target=self._start_ticking, args=(begun,), name="freeze-guard", daemon=True).start()
        begun.wait()  # a freeze before its first look would be missed

    def stop(self) -> None:
        """Stop ticking."""
        self._stopped.set()

    def check(self) -> None:
        """End the process if it stood still since the last tick."""
        self._checked()

    def _look(self) -> _Look:
        # The clock last: what is done behind a look at work is not taken off the gap that ends here.
        worker, guard = self._work_of_worker(), self._work_of_guard()
        return _Look(_now(), worker, guard)

    def _checked(self) -> _Look:
        """Check, and give the look that was checked: with a later one, a freeze in between would be missed."""
        if self._stopped.is_set():
            return self._last  # the guard's thread has ended, and with it what the system tells of its work
        look, last = self._look(), self._last
        gap_seconds = look.at - last.at
        done_seconds = max(sum(look.worker) - sum(last.worker), sum(look.guard) - sum(last.guard))
        if gap_seconds - done_seconds > self._limit_seconds:
            end_now(
                WorkerExit.FROZEN,
                f"stood still for {gap_seconds - done_seconds:.1f} s; other workers may own its partitions",
            )
        if gap_seconds > self._session_seconds:
            computed_seconds = look.worker.computed - last.worker.computed
            end_now(
                WorkerExit.FROZEN,
                f"no heartbeat was sent for {gap_seconds:.1f} s, of which one call computed {computed_seconds:.1f} s; "
                "other workers may own its partitions: give the worker more CPU, or a longer "
                "JOURNEYS_SESSION_TIMEOUT_SECONDS",
            )
        return look

    def _start_ticking(self, begun: Event) -> None:
        self._work_of_guard = work_of_this_thread()
        self._last = self._look()
        begun.set()
        self._tick()

    def _tick(self) -> None:
        while not self._stopped.wait(_TICK_SECONDS):
            last, self._last = self._last, self._checked()
            late_seconds = self._last.at - last.at - _TICK_SECONDS
            computed_seconds = self._last.worker.computed - last.worker.computed
            self.longest_hold_seconds = max(self.longest_hold_seconds, late_seconds)
            self.longest_hold_cpu_seconds = max(self.longest_hold_cpu_seconds, min(late_seconds, computed_seconds))


def work_of_this_thread() -> Callable[[], Work]:
    """Give what tells the work of the calling thread; any thread may ask.

    It is 0 for ever where the system does not tell (macOS), and then long work looks like a freeze.
    """
    try:
        # Linux writes both in nanoseconds, then a count. The file stays open: it is read ten times a second.
        file = os.open(f"/proc/self/task/{get_native_id()}/schedstat", os.O_RDONLY)
    except OSError:
        return Work

    def read() -> Work:
        computed, queued, *_ = os.pread(file, _SCHEDSTAT_BYTES, 0).split()
        return Work(int(computed) / _NANOSECONDS, int(queued) / _NANOSECONDS)

    return read
