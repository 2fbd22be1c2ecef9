"""The deadline index: a heap with one entry a journey, looked at again only when it comes up.

A touchpoint moves its journey's deadline later and leaves the entry alone. When the entry comes up,
whoever asked computes the real deadline and puts the journey back. Only what moves a deadline earlier
pushes a second entry; the old one is then recognised as stale and dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush, heapreplace


class DeadlineIndex:
    """Entries (at in epoch milliseconds, journey_id), earliest first."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, at: int, journey_id: str) -> None:
        """Add an entry."""
        heappush(self._heap, (at, journey_id))

    def extend(self, entries: Sequence[tuple[int, str]]) -> None:
        """Add many entries: all of them put in order once, where that is less work than one after the other."""
        if len(entries) < len(self._heap) // 8:
            for entry in entries:
                heappush(self._heap, entry)
            return
        self._heap.extend(entries)
        heapify(self._heap)

    def first(self) -> tuple[int, str] | None:
        """Earliest entry, left in place; None when empty."""
        return self._heap[0] if self._heap else None

    def pop(self) -> tuple[int, str]:
        """Take the earliest entry out."""
        return heappop(self._heap)

    def move_first(self, at: int, journey_id: str) -> None:
        """Put this entry in the place of the earliest one: half the work of taking out and adding."""
        heapreplace(self._heap, (at, journey_id))

    def pop_until(self, at: int) -> Iterator[tuple[int, str]]:
        """Take out entries at or before `at`, earliest first."""
        while self._heap and self._heap[0][0] <= at:
            yield heappop(self._heap)
