"""Measures how long callbacks of a Redis mirror block an event loop."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from time import thread_time_ns
from types import TracebackType
from typing import Any, Self

from training_orchestrator.mirror.redis_mirror import RedisMirror

from .loop_beat import readings

_OF_REDIS: ContextVar[bool] = ContextVar("of_redis", default=False)


class RedisHolds:
    """Measures on this thread while it is entered, around the start of the managers, too. All in milliseconds.

    What a mirror's task starts bears its context: further tasks, timers, and what the sockets to Redis call back. So
    each piece that the loop runs in that context is Redis's, and so is what a mirror is told of changes.
    `longest_wall` is the longest of them by the clock, `longest_blocked` without the time that Linux had it wait for a
    processor (the lock of the interpreter is waited for in it, be its holder at work or not), `longest_cpu` what of it
    ran, without the garbage collector, which looks at the whole program when it is its turn: `longest_collection`.
    `pieces` is how many there were.
    """

    def __init__(self) -> None:
        self.longest_wall = 0.0
        self.longest_blocked = 0.0
        self.longest_cpu = 0.0
        self.longest_collection = 0.0
        self.pieces = 0
        self._collecting = 0
        self._collected = 0
        self._thread = threading.get_ident()
        self._run = asyncio.Handle._run
        self._start = RedisMirror.start
        self._note = RedisMirror.note

    def __enter__(self) -> Self:
        """Begin."""
        run, start, note = self._run, self._start, self._note

        def measured_run(handle: asyncio.Handle) -> None:
            if handle._context.get(_OF_REDIS):  # type: ignore[attr-defined]
                self._measure(run, handle)
            else:
                run(handle)

        def marked_start(mirror: RedisMirror) -> None:
            context = copy_context()
            context.run(_OF_REDIS.set, True)
            context.run(start, mirror)

        asyncio.Handle._run = measured_run  # type: ignore[method-assign]
        RedisMirror.start = marked_start  # type: ignore[method-assign]
        RedisMirror.note = lambda *told: self._measure(note, *told)  # type: ignore[method-assign]
        gc.callbacks.append(self._collect)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        asyncio.Handle._run = self._run  # type: ignore[method-assign]
        RedisMirror.start = self._start  # type: ignore[method-assign]
        RedisMirror.note = self._note  # type: ignore[method-assign]
        gc.callbacks.remove(self._collect)

    def _measure(self, work: Callable[..., Any], *given: Any) -> None:
        before, self._collected = readings(), 0
        work(*given)
        wall, queued, cpu = ((one - other) / 1e6 for one, other in zip(readings(), before, strict=True))
        self.pieces += 1
        self.longest_wall = max(self.longest_wall, wall)
        self.longest_blocked = max(self.longest_blocked, wall - queued)
        collected = self._collected / 1e6
        self.longest_cpu = max(self.longest_cpu, cpu - collected)
        self.longest_collection = max(self.longest_collection, collected)

    def _collect(self, phase: str, _: dict[str, int]) -> None:
        if threading.get_ident() != self._thread:
            return
        if phase == "start":
            self._collecting = thread_time_ns()
        else:
            self._collected += thread_time_ns() - self._collecting
