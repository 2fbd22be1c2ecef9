"""Runs a program for which an hour lasts seconds: `python -m tests.bigquery.fast_clock FACTOR MODULE ARGUMENT...`.

Its clocks go FACTOR times as fast, and what waits in asyncio's loop waits so much shorter. What C code waits for by
itself takes its real time.
"""

from __future__ import annotations

import runpy
import selectors
import sys
import time
from typing import Any


def quicken(factor: float) -> None:
    """Have all clocks of this process go faster from now on; before any event loop is made."""
    monotonic, began, wall = time.monotonic, time.monotonic(), time.time_ns()

    def passed() -> float:
        return (monotonic() - began) * factor

    time.monotonic = lambda: began + passed()
    time.time_ns = lambda: wall + round(passed() * 1_000_000_000)
    time.time = lambda: time.time_ns() / 1_000_000_000

    class QuickSelector(selectors.DefaultSelector):  # type: ignore[valid-type,misc]  # one class of several
        def select(self, timeout: float | None = None) -> Any:
            """Wait for the shorter time."""
            return super().select(timeout / factor if timeout else timeout)

    selectors.DefaultSelector = QuickSelector  # type: ignore[assignment,misc]


if __name__ == "__main__":
    _, speed, module, *arguments = sys.argv
    quicken(float(speed))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
