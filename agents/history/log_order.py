"""Whether the records of a history come in the order of time, and which one moved the clock ahead of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from journeys.schemas.instants import DAY_MS, HOUR_MS, format_instant
from journeys.schemas.records import InputRecord, JourneyRecord, Punctuation

if TYPE_CHECKING:
    from journeys.agents.history.history_columns import HistoryBatch


class LogOrder:
    """Counts records that lie behind the clock, which is the greatest time so far, while they pass."""

    def __init__(self) -> None:
        self.behind = 0
        """Records before the clock's time."""
        self.greatest: int | None = None
        """The clock, epoch milliseconds."""
        self._mover = 0
        """Number of the record that moved the clock last, and by how much."""
        self._moved_ms = 0
        self._behind_mover = 0
        self._worst = (0, 0, 0, 0)  # records behind it, its number, its time, how far it moved the clock

    def watched(self, numbered: Iterable[tuple[int, InputRecord]]) -> Iterator[tuple[int, InputRecord]]:
        """The same records."""
        for one in numbered:
            record = one[1]
            if isinstance(record, Punctuation):
                self._look(one[0], record.at, counts=False)
            elif isinstance(record, JourneyRecord):
                self._look(one[0], record.occurred_at, counts=True)
            yield one

    def watched_batches(self, batches: Iterable[HistoryBatch]) -> Iterator[HistoryBatch]:
        """The same batches; records are numbered from 1 over all of them."""
        place = 0
        for batch in batches:
            self._look_at_batch(batch.numbers["occurred_at"], place)
            place += len(batch.ids)
            yield batch

    def text(self, name: str) -> str | None:
        """What is to be said of them, and what helps; None if all are in order."""
        if not self.behind:
            return None
        count, number, at, moved_ms = self._worst
        amount = f"{moved_ms / DAY_MS:,.1f} days" if moved_ms >= DAY_MS else f"{moved_ms / HOUR_MS:,.1f} hours"
        return (
            f"{name}: {self.behind:,} records lie behind the time that records before them told, and may be late; "
            f"{count:,} of them behind record {number:,}, which moved the clock by {amount} to {format_instant(at)}. "
            "A log is read as it stands: --sort sorts it by time"
        )

    def _look(self, number: int, at: int, *, counts: bool) -> None:
        greatest = self.greatest
        if greatest is None or at > greatest:
            self._mover, self._moved_ms = number, 0 if greatest is None else at - greatest
            self._behind_mover = 0
            self.greatest = at
        elif counts and at < greatest:
            self.behind += 1
            self._behind_mover += 1
            if self._behind_mover > self._worst[0]:
                self._worst = (self._behind_mover, self._mover, greatest, self._moved_ms)

    def _look_at_batch(self, instants: Any, place: int) -> None:
        from pyarrow import compute as pc  # noqa: PLC0415  (loaded already)

        if not len(instants):
            return
        later = pc.greater_equal(instants.slice(1), instants.slice(0, len(instants) - 1))
        in_order = pc.all(later, min_count=0).as_py() and (
            self.greatest is None or instants[0].as_py() >= self.greatest
        )
        if in_order:
            self._look(place + 1, instants[0].as_py(), counts=True)
            self._look(place + len(instants), instants[len(instants) - 1].as_py(), counts=True)
            return
        for number, at in enumerate(instants.to_pylist(), start=place + 1):
            self._look(number, at, counts=True)
