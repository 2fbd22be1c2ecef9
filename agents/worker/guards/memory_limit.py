"""The memory limit: a worker that reaches it applies no more input until memory is free again.

It decides nothing: the input stays in the log and is applied later, by this worker or by another one that gets the
partition. The agent waits before it takes the batch lock, so that a rebalance never waits for memory. Faust's pausing
of partitions is not used, since it empties the set of fetched partitions. What is fetched meanwhile is bounded by the
buffers of Faust's streams and of aiokafka. Heartbeats go on in their thread.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
from collections.abc import Callable
from contextlib import suppress

from psutil import Process

log = logging.getLogger("journeys.memory")
# Alerts may search the log for these names; each begins its line.
LIMIT_REACHED = "memory_limit_reached"
ROOM_AGAIN = "memory_limit_left"
_LOOK_EVERY_SECONDS = 0.5
# Input is taken again below this part of the limit; at the limit itself a worker would pause with every batch.
_RESUME_BELOW = 0.95
_MIB = 1024 * 1024


def resident_mib() -> float:
    """Resident memory of this process, in MiB."""
    return float(Process().memory_info().rss) / _MIB


class MemoryLimit:
    """Makes the agent wait while the process holds `limit_mib` or more; None sets no limit."""

    def __init__(self, limit_mib: int | None) -> None:
        self.is_reached = False
        self._limit_mib = limit_mib
        self._measured: Callable[[], float] = resident_mib

    async def wait_for_room(self) -> None:
        """Return at once below the limit; else log it once and wait until enough memory is free again."""
        limit = self._limit_mib
        if limit is None or (held := self._measured()) < limit:
            return
        self.is_reached = True
        log.error(
            "%s: %.0f MiB are held, the limit is %d: no more input is taken until there is room; give this worker more "
            "memory (JOURNEYS_MEMORY_LIMIT_MIB), or start another one that takes partitions over",
            LIMIT_REACHED,
            held,
            limit,
        )
        gc.collect()
        while (held := self._measured()) >= limit * _RESUME_BELOW:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            _trim()
        log.warning("%s: %.0f MiB are held; input is taken again", ROOM_AGAIN, held)
        self.is_reached = False


def _trim() -> None:
    """Return freed memory to the system; else rows of a partition that was revoked would still count."""
    with suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
