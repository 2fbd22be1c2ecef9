"""The loop guard: ends a worker whose event loop does not come round, because one call in it never ends.

All else that looks after a worker runs in that loop, except heartbeats: the group would keep its partitions for it.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import sys
import traceback
from threading import Event, Thread, get_ident
from typing import Final

from journeys.agents.worker.guards import patience
from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now

log = logging.getLogger("journeys.loop")
_TICK_SECONDS: Final = 1.0
# Native code that keeps the interpreter stops this guard, too: then Python's own watch, which needs no interpreter,
# writes the stack and ends the process, with exit code 1.
_TIMES_LONGER: Final = 2


class LoopGuard:
    """Ends the process when its event loop answers nothing for `patience.STUCK_AFTER_SECONDS`.

    The time is counted in ticks: those of a suspended process do not count, it is the freeze guard's.
    """

    def __init__(self) -> None:
        self._stopped = Event()
        self._answered = Event()
        self._thread = 0
        self.silent_seconds = 0.0
        """For how long the loop has not come round; below a few seconds while all is well."""

    def start(self) -> None:
        """Watch the running event loop until the process ends or `stop` is called."""
        self._thread = get_ident()
        loop = asyncio.get_running_loop()
        Thread(target=self._watch, args=(loop,), name="loop-guard", daemon=True).start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()
        faulthandler.cancel_dump_traceback_later()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._answered.set()
        while not self._stopped.wait(_TICK_SECONDS):
            faulthandler.dump_traceback_later(patience.STUCK_AFTER_SECONDS * _TIMES_LONGER, exit=True)
            if self._answered.is_set():
                self._answered.clear()
                self.silent_seconds = 0.0
                try:
                    loop.call_soon_threadsafe(self._answered.set)
                except RuntimeError:  # the loop is closed: the worker ends
                    break
                continue
            self.silent_seconds += _TICK_SECONDS
            if self.silent_seconds > patience.STUCK_AFTER_SECONDS and not self._stopped.is_set():
                end_now(
                    WorkerExit.STALLED,
                    f"one call has not ended for {self.silent_seconds:.0f} s, {self._place()}: a record that it can't "
                    "cope with, or a disk or a service that does not answer",
                )
        faulthandler.cancel_dump_traceback_later()

    def _place(self) -> str:
        """Where the loop's thread is; the whole stack goes to the log."""
        frame = sys._current_frames().get(self._thread)
        stack = traceback.extract_stack(frame)
        log.critical("the event loop's thread is here:\n%s", "".join(traceback.format_list(stack)))
        innermost = stack[-1]
        return f"in {innermost.name} ({innermost.filename.rpartition('/')[2]}:{innermost.lineno})"
