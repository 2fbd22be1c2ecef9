"""Measures how long an event loop is blocked: a task that wakes up regularly, and the gaps between its wake-ups."""

from __future__ import annotations

import asyncio
import os
import threading
from functools import cache
from time import monotonic_ns, thread_time_ns
from types import TracebackType
from typing import Self

_BEAT_SECONDS = 0.005


class LoopBeat:
    """Beats while it is entered, which may be more than once. All in milliseconds.

    `longest_blocked` is the longest time between two beats in which the loop's thread ran, waited for a lock or for
    the network: the time that Linux had it wait for a processor, which other programs took, is left out, and so is the
    sleep of the beat itself. `longest_wall` leaves nothing out but the sleep, `longest_cpu` counts only what ran.
    """

    def __init__(self) -> None:
        self.longest_blocked = 0.0
        self.longest_wall = 0.0
        self.longest_cpu = 0.0
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin."""
        self._beating = asyncio.create_task(self._beat())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        assert self._beating is not None
        self._beating.cancel()
        await asyncio.gather(self._beating, return_exceptions=True)

    async def _beat(self) -> None:
        last = readings()
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            now = readings()
            wall, queued, cpu = ((one - other) / 1e6 for one, other in zip(now, last, strict=True))
            waited = wall - _BEAT_SECONDS * 1000
            self.longest_wall = max(self.longest_wall, waited)
            self.longest_blocked = max(self.longest_blocked, waited - queued)
            self.longest_cpu = max(self.longest_cpu, cpu)
            last = now


def readings() -> tuple[int, int, int]:
    """Nanoseconds of this thread: the wall, waiting for a processor, running.

    One read of a file that stays open: a call into the kernel lets go of the interpreter's lock, and may wait for it.
    """
    wall, cpu = monotonic_ns(), thread_time_ns()
    return wall, int(os.pread(_statistics_of(threading.get_native_id()), 100, 0).split()[1]), cpu


@cache
def _statistics_of(thread: int) -> int:
    return os.open(f"/proc/self/task/{thread}/schedstat", os.O_RDONLY)
