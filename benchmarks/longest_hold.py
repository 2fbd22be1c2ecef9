"""The longest hold of the interpreter, as a worker tells it when it stops."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.measure import RunFailedError

_SAID = re.compile(r"longest hold of the interpreter: ([\d.]+) s, in CPU time ([\d.]+) s")


def longest_hold_ms(log: Path) -> tuple[float, float]:
    """Longest time for which no other thread of a stopped worker could run, and the same in its CPU time (ms).

    The second leaves out what other processes of the machine took. Raises RunFailedError.
    """
    said = _SAID.search(log.read_text("utf-8", errors="replace"))
    if said is None:
        raise RunFailedError("the worker has not told its longest hold of the interpreter: it was killed")
    return float(said[1]) * 1_000, float(said[2]) * 1_000
