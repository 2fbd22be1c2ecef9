"""An event loop on a thread of its own, for callers that are not async."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

from training_orchestrator.api.answers import NotStartedError

Result = TypeVar("Result")


class LoopThread:
    """Runs coroutines for blocking callers, also for one whose own thread runs an event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._pid = os.getpid()
        self._thread = Thread(target=self._loop.run_forever, name="journeys-loop", daemon=True)
        self._thread.start()

    @property
    def is_of_this_process(self) -> bool:
        """False in a forked child, where the thread does not run."""
        return self._pid == os.getpid()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Wait for a coroutine's result. Raises NotStartedError in a forked child, which has no such thread."""
        return self.submit(work).result()

    def submit(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Begin a coroutine; raises as `run`."""
        if not self.is_of_this_process:
            work.close()
            raise NotStartedError(
                "this was started in another process, of which this one is a fork: start one of this process's own"
            )
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """End the loop and its thread."""
        if self.is_of_this_process:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
