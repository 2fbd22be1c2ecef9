"""The memory limit: a worker that is near it takes no more input until there is room again.

It decides nothing: what is not taken now stays in the log and is taken later, by this worker or by another one
that gets the partition. Waiting is done before the batch lock is taken, so that a rebalance never waits for memory;
Faust's pausing of partitions is not used, since it empties the set of partitions that are fetched. What is fetched
meanwhile is bounded by Faust's stream buffer and aiokafka's own. Heartbeats go on in their thread.
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
# Names that alarms look for; they stand at the beginning of their lines.
LIMIT_REACHED = "memory_limit_reached"
ROOM_AGAIN = "memory_limit_left"
_LOOK_EVERY_SECONDS = 0.5
# Below the limit by so much, or a worker at the limit would stop and go with every batch.
_ROOM = 0.95
_MIB = 1024 * 1024


def resident_mib() -> float:
    """Memory of this process that is in RAM, in MiB."""
    return float(Process().memory_info().rss) / _MIB


class MemoryLimit:
    """Makes the agent wait while the process holds `limit_mib` or more; None never does."""

    def __init__(self, limit_mib: int | None) -> None:
        self.is_reached = False
        self._limit_mib = limit_mib
        self._measured: Callable[[], float] = resident_mib

    async def wait_for_room(self) -> None:
        """Return at once below the limit; at it, say so once, and wait until enough is free again."""
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
        while (held := self._measured()) >= limit * _ROOM:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            _give_back()
        log.warning("%s: %.0f MiB are held; input is taken again", ROOM_AGAIN, held)
        self.is_reached = False


def _give_back() -> None:
    """Give the system what was freed: rows of a partition that went to another worker would count for ever."""
    with suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
