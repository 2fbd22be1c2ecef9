"""The clock of this machine, for the rooms that may read one: schemas and streams take time as an input."""

from __future__ import annotations

from time import time_ns

_NS_PER_MS = 1_000_000


def now_ms() -> int:
    """Milliseconds since the epoch, UTC, by this machine's clock."""
    return time_ns() // _NS_PER_MS
