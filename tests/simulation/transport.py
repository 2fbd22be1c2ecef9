"""The simulated transport: fetches that may be thrown away, and are under way when somebody seeks.

What a fetch brings is contiguous with the one before it. But Faust clears its queues behind a restore, and a batch
that was fetched from another position is delivered all the same: see agents/worker/transport/batch_transport.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from journeys.streams.partition.entry import Entry

_BATCH_SIZES: Final = (1, 1, 2, 3, 5, 8, 13)
_FETCHED_AHEAD: Final = (0, 0, 1, 2)
_THROWN_AWAY: Final = 0.03


class Delivery(NamedTuple):
    """Records of one fetch, the count of seeks when it began, and whether it was the first since the last of them."""

    entries: list[Entry]
    epoch: int
    is_first: bool


class Transport:
    """Fetches of one partition for one owner."""

    def __init__(self, entries: Sequence[Entry], chance: random.Random, position: int) -> None:
        self.epoch = 0
        self._entries = entries
        self._chance = chance
        self._queue: deque[Delivery] = deque()
        self._is_first = True
        self._next = self._index_of(position)
        self._fetch_ahead()

    def seek(self, position: int) -> None:
        """Fetch from `position` on; what was fetched before is delivered all the same."""
        self._next = self._index_of(position)
        self.epoch += 1
        self._is_first = True

    def deliver(self) -> Delivery | None:
        """Give the next batch that is not thrown away; None when nothing more comes."""
        self._fetch()
        self._fetch_ahead()
        while self._queue:
            delivery = self._queue.popleft()
            if self._chance.random() >= _THROWN_AWAY:
                return delivery
            self._fetch()
        return None

    def _fetch_ahead(self) -> None:
        for _ in range(self._chance.choice(_FETCHED_AHEAD)):
            self._fetch()

    def _fetch(self) -> None:
        """Fetch as many records as the broker happens to give."""
        size = self._chance.choice(_BATCH_SIZES)
        fetched = list(self._entries[self._next : self._next + size])
        if fetched:
            self._queue.append(Delivery(fetched, self.epoch, self._is_first))
            self._next += len(fetched)
            self._is_first = False

    def _index_of(self, position: int) -> int:
        return next((n for n, entry in enumerate(self._entries) if entry.offset >= position), len(self._entries))
