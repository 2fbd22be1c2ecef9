"""An index of slots by instants: each slot once, under an instant not after its own, looked at when that comes.

As the deadline index of the reference, for many slots at once. They lie in buckets of a quarter of an hour, in no
order; whoever takes them computes when each of them is due, and files anew those that are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from journeys.schemas.arrays import Integers
from journeys.streams.partition.deadline_index import WIDTH_MS

Slots: TypeAlias = NDArray[np.int64]
_NEVER: Final = 2**63 - 1
_NOWHERE: Final = -1
_NO_SLOTS: Final[Slots] = np.empty(0, np.int64)


class SlotIndex:
    """Slots by instants in epoch milliseconds."""

    __slots__ = ("_armed", "_buckets", "_numbers", "_ready", "_ready_count", "quiet_until")

    def __init__(self) -> None:
        self._armed: NDArray[np.int32] = np.empty(0, np.int32)
        """For each slot the number of its bucket, _NOWHERE where it has none."""
        self._buckets: dict[int, list[Slots]] = {}
        self._numbers: list[int] = []
        """Numbers of the buckets, a heap."""
        self._ready: list[tuple[int, Slots]] = []
        """What was counted, with the numbers of its buckets."""
        self._ready_count = 0
        self.quiet_until = _NEVER
        """Before this nothing comes up."""

    def grow(self, size: int) -> None:
        """Know slots below `size`."""
        self._armed = grown(self._armed, size, _NOWHERE)

    def disarm(self, slot: int) -> None:
        """Have a slot looked at no more."""
        self._armed[slot] = _NOWHERE

    def file(self, slots: Slots, at: Integers) -> None:
        """Have slots looked at at these instants, unless they are looked at before."""
        if not len(slots):
            return
        # An entry in the same bucket stays, though it comes up earlier now.
        self.quiet_until = min(self.quiet_until, int(at.min()))
        numbers = at // WIDTH_MS
        armed = self._armed[slots]
        wanted = (armed == _NOWHERE) | (numbers < armed)
        if not wanted.all():
            slots, numbers = slots[wanted], numbers[wanted]
        if not len(slots):
            return
        self._armed[slots] = numbers
        for number, alike in _grouped(slots, numbers):
            bucket = self._buckets.get(number)
            if bucket is None:
                bucket = self._buckets[number] = []
                heappush(self._numbers, number)
            bucket.append(alike)

    def count_until(self, until: int) -> int:
        """Entries that come up at `until` or before, those that have lost their meaning among them."""
        while self._numbers and self._numbers[0] * WIDTH_MS <= until:
            number = heappop(self._numbers)
            for slots in self._buckets.pop(number):
                self._ready.append((number, slots))
                self._ready_count += len(slots)
        return self._ready_count

    def take(self, until: int) -> Slots:
        """Take out the slots that come up at `until` or before, each once, in no order."""
        if until < self.quiet_until or not self.count_until(until):
            return _NO_SLOTS
        numbers, parts = zip(*self._ready, strict=True)
        slots = np.concatenate(parts)
        # Not an entry of a slot that has been filed under another instant since, or that has been used again.
        slots = np.unique(slots[self._armed[slots] == np.repeat(numbers, [len(part) for part in parts])])
        self._ready.clear()
        self._ready_count = 0
        self.quiet_until = self._numbers[0] * WIDTH_MS if self._numbers else _NEVER
        self._armed[slots] = _NOWHERE
        return slots

    def first_until(self) -> int | None:
        """Instant with which `take` gives the first bucket; None where there is none."""
        first = self._ready[:1] or self._numbers[:1]
        if not first:
            return None
        number = first[0] if isinstance(first[0], int) else first[0][0]
        return max(number * WIDTH_MS, self.quiet_until)


def grown(array: NDArray[Any], size: int, filled_with: Any) -> NDArray[Any]:
    """The same with more places behind."""
    return np.concatenate([array, np.full(size - len(array), filled_with, array.dtype)])


def _grouped(slots: Slots, numbers: Integers) -> Iterator[tuple[int, Slots]]:
    """Slots by the number of their bucket."""
    if numbers[0] == numbers[-1] and (numbers == numbers[0]).all():
        yield int(numbers[0]), slots
        return
    order = np.argsort(numbers, kind="stable")
    numbers, slots = numbers[order], slots[order]
    cuts = np.flatnonzero(np.diff(numbers)) + 1
    edges = [0, *cuts.tolist(), len(slots)]
    for place, first in enumerate(edges[:-1]):
        yield int(numbers[first]), slots[first : edges[place + 1]]
