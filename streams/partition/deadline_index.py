"""The deadline index: each journey once, under an instant not after its own, looked at again only when that comes.

A touchpoint moves its journey's deadline later and leaves the entry alone. When the entry comes up, whoever asked
computes the real deadline and files the journey anew. Only what moves a deadline earlier makes a second entry; the old
one is then recognised as stale and dropped.

Most entries are looked at when they are days old, and their rows are in no cache by then: they lie in buckets of a
quarter of an hour, in no order, so that nothing is touched but the row that is looked at. Only the quarter that has
begun is a heap.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count, repeat
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from journeys.streams.rule.row import Row

WIDTH_MS: Final = 15 * 60_000
Filed: TypeAlias = "tuple[int, str, int, Row]"
"""An entry of the heap: instant, journey_id, a number that keeps rows from being compared, and the row."""


class DeadlineIndex:
    """Rows by instants in epoch milliseconds."""

    __slots__ = ("_begins", "_far", "_near", "_near_until", "_numbers")

    def __init__(self) -> None:
        self._near: list[Filed] = []
        self._near_until = -1
        """What lies before this is in the heap, all else in buckets."""
        self._far: dict[int, tuple[int, list[Row]]] = {}
        """Buckets by their begin, which each holds, too: one object for all that come up under it."""
        self._begins: list[int] = []
        """Begins of the buckets, a heap."""
        self._numbers: Iterator[int] = count()

    def __len__(self) -> int:
        return len(self._near) + sum(len(rows) for _, rows in self._far.values())

    def file(self, at: int, row: Row) -> int:
        """Add an entry; gives the instant that it comes up under: `at`, or the begin of its bucket."""
        if at < self._near_until:
            heappush(self._near, (at, row.journey_id, next(self._numbers), row))
            return at
        begin = begin_of(at)
        bucket = self._far.get(begin)
        if bucket is None:
            bucket = self._far[begin] = begin, []
            heappush(self._begins, begin)
        bucket[1].append(row)
        return bucket[0]

    def first(self) -> Filed | None:
        """Earliest entry, left in place, of equal instants that of the least journey_id; None when empty."""
        near = self._near
        if not near:
            if not self._begins:
                return None
            begin, rows = self._opened()
            for row in rows:
                heappush(near, (begin, row.journey_id, next(self._numbers), row))
        return near[0]

    def pop(self) -> None:
        """Take out the entry that `first` gave."""
        heappop(self._near)

    def take(self, until: int) -> list[tuple[int, Row]]:
        """Take out all that comes up at `until` or before, in no order: under what, and the row."""
        taken: list[tuple[int, Row]] = []
        near, begins = self._near, self._begins
        while near and near[0][0] <= until:
            at, _, _, row = heappop(near)
            taken.append((at, row))
        while begins and begins[0] <= until:
            begin, rows = self._opened()
            taken.extend(zip(repeat(begin), rows))
        return taken

    def _opened(self) -> tuple[int, list[Row]]:
        """Take out the earliest bucket; what is filed into its time from now on goes to the heap."""
        begin = heappop(self._begins)
        self._near_until = begin + WIDTH_MS
        return self._far.pop(begin)


def begin_of(at: int) -> int:
    """Begin of the bucket of an instant."""
    return at - at % WIDTH_MS
