"""What a process costs, read from /proc: its CPU time over time, and the most memory it has had.

Its own, all threads, and that of children which it has waited for; one that has living children does not count.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from pathlib import Path
from threading import Event, Thread
from time import time
from types import TracebackType
from typing import Self

import psutil

_SAMPLE_SECONDS = 0.02
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class ProcessUsage:
    """Samples the CPU time of one process from a thread of this one; a context manager."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)
        self._times: list[float] = []
        self._cpu_seconds: list[float] = []
        self._ended = Event()
        self._thread = Thread(target=self._sample, name="usage", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Sample no more."""
        self._ended.set()
        self._thread.join()

    def cpu_seconds_at(self, at: float) -> float:
        """User and system time up to the instant `at` (epoch seconds), between the samples around it."""
        after = bisect_left(self._times, at)
        if not 0 < after < len(self._times):
            raise ValueError(f"no samples around {at}")
        before_at, after_at = self._times[after - 1], self._times[after]
        before, then = self._cpu_seconds[after - 1], self._cpu_seconds[after]
        return before + (then - before) * (at - before_at) / (after_at - before_at)

    def peak_rss_mb(self) -> float:
        """Most memory so far, in MiB; the process must still be there."""
        return peak_rss_mb(self._folder.name)

    def require_no_children(self) -> None:
        """Raise ValueError if work may be done where nobody looks."""
        children = psutil.Process(int(self._folder.name)).children()
        if children:
            raise ValueError(f"{self._folder} has children, and what they cost is not known: {children}")

    def _sample(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            try:
                # The name of the program stands in parentheses and may hold blanks.
                fields = (self._folder / "stat").read_text("utf-8").rpartition(")")[2].split()
            except FileNotFoundError:
                return
            self._times.append(time())
            # User and system time, and both of children that it has waited for.
            self._cpu_seconds.append(sum(map(int, fields[11:15])) / _TICKS_PER_SECOND)


def peak_rss_mb(pid: str | int) -> float:
    """Most memory that a process (`self`: this one) has had so far, in MiB; it must still be there."""
    status = Path("/proc") / str(pid) / "status"
    for line in status.read_text("utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"{status} names no VmHWM")
