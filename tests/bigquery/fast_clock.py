"""Runs a program for which an hour can last seconds: `python -m tests.bigquery.fast_clock FACTOR MODULE ARGUMENT...`.

From one SIGUSR1 to the next its clocks go FACTOR times as fast, and what waits in asyncio's loop waits so much shorter.
What C code waits for by itself takes its real time.
"""

from __future__ import annotations

import runpy
import selectors
import signal
import sys
import time
from typing import Any

_monotonic, _nanoseconds = time.monotonic, time.time_ns


class FastClock:
    """The clocks of this process; `factor` is how fast they go now."""

    def __init__(self) -> None:
        self.factor = 1.0
        self._since = self._shown = _monotonic()

    def monotonic(self) -> float:
        """What `time.monotonic` says."""
        return self._shown + (_monotonic() - self._since) * self.factor

    def time_ns(self) -> int:
        """What `time.time_ns` says: so far ahead of the time as the other clock is."""
        return _nanoseconds() + round((self.monotonic() - _monotonic()) * 1_000_000_000)

    def set(self, factor: float) -> None:
        """Go at another speed from now on; nothing jumps."""
        self._shown, self._since, self.factor = self.monotonic(), _monotonic(), factor


def install(factor: float) -> None:
    """Have all clocks of this process obey the signal; before any event loop is made."""
    clock = FastClock()
    time.monotonic, time.time_ns = clock.monotonic, clock.time_ns
    time.time = lambda: clock.time_ns() / 1_000_000_000

    class QuickSelector(selectors.DefaultSelector):  # type: ignore[valid-type,misc]  # one class of several
        def select(self, timeout: float | None = None) -> Any:
            """Wait for the shorter time."""
            return super().select(timeout / clock.factor if timeout else timeout)

    selectors.DefaultSelector = QuickSelector  # type: ignore[assignment,misc]
    signal.signal(signal.SIGUSR1, lambda _number, _frame: clock.set(factor if clock.factor == 1 else 1.0))


if __name__ == "__main__":
    _, speed, module, *arguments = sys.argv
    install(float(speed))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
