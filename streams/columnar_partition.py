"""A partition whose rows are columns; for whoever asks for a row, one like any other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from journeys.schemas.arrays import NONE, Integers
from journeys.schemas.codec import Codec
from journeys.streams.journey_columns import JourneyColumns
from journeys.streams.partition.deadline_index import WIDTH_MS, begin_of
from journeys.streams.partition.state import Partition
from journeys.streams.punctuations import Punctuations
from journeys.streams.rule.row import Row
from journeys.streams.single_rows import put_row, row_of
from journeys.streams.slot_index import SlotIndex, Slots
from journeys.streams.stored.restored_rows import rows_of
from journeys.streams.stored_columns import put_stored


class ColumnarRows(Mapping[str, Row]):
    """Rows out of columns, made anew for each question: what is changed in one comes back only by `Partition.keep`."""

    def __init__(self, columns: JourneyColumns) -> None:
        self._columns = columns

    def _slot(self, journey_id: str) -> int | None:
        slot = self._columns.slots.get(journey_id.encode())
        return None if slot is None or not self._columns.exists[slot] else slot

    def __getitem__(self, journey_id: str) -> Row:
        slot = self._slot(journey_id)
        if slot is None:
            raise KeyError(journey_id)
        return row_of(self._columns, slot)

    def get(self, journey_id: str, default: Any = None) -> Any:
        """Row of a journey, if it has one."""
        slot = self._slot(journey_id)
        return default if slot is None else row_of(self._columns, slot)

    def __contains__(self, journey_id: object) -> bool:
        return isinstance(journey_id, str) and self._slot(journey_id) is not None

    def __len__(self) -> int:
        return self._columns.row_count

    def __iter__(self) -> Iterator[str]:
        columns = self._columns
        return (key.decode() for key, slot in list(columns.slots.items()) if columns.exists[slot])

    def pop(self, journey_id: str, default: None = None) -> None:
        """Take a journey's row out, if it has one."""
        slot = self._slot(journey_id)
        if slot is not None:
            self._columns.drop([slot])
            self._columns.release([slot])
        return default


class ColumnarPartition(Partition):
    """State of one partition, its rows as columns."""

    def __init__(self, number: int, count: int, codec: Codec) -> None:
        super().__init__(number, count)
        self.codec = codec
        self.columns = JourneyColumns()
        self.columns.policies.number_of(self.policy)  # of slots without a row, too, somebody may ask
        self.vacated: list[int] = []
        """Slots that may have no row any more, to be released when nothing is said of their journeys."""
        self.rows = ColumnarRows(self.columns)  # type: ignore[assignment]  # a mapping does for all who ask

    def slot_of(self, journey_id: str) -> int:
        """Slot of a journey, with or without a row."""
        key = journey_id.encode()
        slot = self.columns.slots.get(key)
        return int(self.columns.new_slots([key])[0]) if slot is None else slot

    def keep(self, row: Row) -> None:
        """Hold a row that changed and see to its entry in the indexes."""
        slot = self.slot_of(row.journey_id)
        put_row(self.columns, slot, row)
        self.columns.file(np.array([slot], np.int64))

    def keep_all(self, rows: Sequence[Row]) -> None:
        """Hold many rows."""
        for row in rows:
            self.keep(row)

    def keep_stored(self, stored: Iterable[tuple[str, bytes]], codec: Codec) -> None:
        """Hold rows given as journeys with their wire bytes."""
        for others in put_stored(stored, self.columns, self.policies, codec):
            for rows in rows_of(others, self.policies, codec):
                self.keep_all(rows)

    def open_count(self) -> int:
        """Journeys with an open episode."""
        return self.columns.open_count

    def count_opened(self, change: int) -> None:
        """Do nothing: columns count."""

    def count_open(self) -> None:
        """Do nothing: columns count."""

    def due_slots(self, clock: int) -> tuple[Slots, Integers]:
        """Take out the open rows that a clock fires, in no order, with their deadlines."""
        slots = self._opened(self.columns.deadlines.take(clock))
        deadlines_at, due_at = self.columns.deadlines_at(slots), self.columns.due_at(slots)
        is_due = due_at <= clock
        self.columns.deadlines.file(slots[~is_due], due_at[~is_due])
        return slots[is_due], deadlines_at[is_due]

    def take_due(self) -> list[tuple[int, str, Row]]:
        """Take out what the present clock fires: (deadline_at, journey_id, row), in this order."""
        if self.clock is None:
            return []
        slots, deadlines_at = self.due_slots(self.clock)
        columns = self.columns
        due = [
            (at, columns.journey_id[slot].decode(), row_of(columns, slot))
            for slot, at in zip(slots.tolist(), deadlines_at.tolist(), strict=True)
        ]
        return sorted(due, key=_by_deadline)

    def next_due_at(self) -> int | None:
        """Clock at which the next deadline fires; None when nothing is open."""
        return _first(self.columns.deadlines, self._opened, self.columns.due_at)

    def next_cleanup_at(self) -> int | None:
        """Clock from which the first row may be deleted."""
        return _first(self.columns.cleanups, self._ended, self.columns.forgotten_at)

    def _opened(self, slots: Slots) -> Slots:
        opened: Slots = slots[self.columns.open[slots]]
        return opened

    def _ended(self, slots: Slots) -> Slots:
        columns = self.columns
        ended: Slots = slots[columns.exists[slots] & ~columns.open[slots] & (columns.cleanup_at[slots] != NONE)]
        return ended

    def forget_stale(self, offset: int) -> dict[str, int]:
        """Delete rows that count as absent, at most a policy's batch; by journey, `offset` of the punctuation."""
        if self.clock is None:
            return {}
        return self.forget_at(Punctuations(np.array([offset]), np.array([self.clock])))

    def forget_at(self, punctuations: Punctuations) -> dict[str, int]:
        """Delete rows that count as absent at punctuations; by journey, the offset of the one that did it.

        One punctuation deletes at most a policy's batch. Of several, see that there is not more to delete for all.
        """
        columns, clock = self.columns, int(punctuations.clocks[-1])
        if clock < columns.cleanups.quiet_until:
            return {}
        slots = self._ended(columns.cleanups.take(clock))
        forgotten_at = columns.forgotten_at(slots)
        number = punctuations.first(forgotten_at, columns.offset[slots])
        goes = number < punctuations.count
        gone = sorted(
            zip(
                punctuations.offsets[number[goes]].tolist(),
                forgotten_at[goes].tolist(),
                columns.journey_id[slots[goes]],
                slots[goes].tolist(),
                strict=True,
            )
        )
        most = self.policy.cleanup.batch_size
        left = np.array([slot for *_, slot in gone[most:]], np.int64)
        columns.file(np.concatenate([slots[~goes], left]))
        del gone[most:]
        columns.drop([slot for *_, slot in gone])
        self.vacated.extend(slot for *_, slot in gone)
        return {key.decode(): offset for offset, _, key, _ in gone}


def _first(index: SlotIndex, standing: Callable[[Slots], Slots], at: Callable[[Slots], Integers]) -> int | None:
    """First instant of an index, of the slots that still stand in it. Files anew those that it looks at."""
    while (until := index.first_until()) is not None:
        slots = standing(index.take(until))
        if not len(slots):
            continue
        instants = at(slots)
        index.file(slots, instants)
        if (first := int(instants.min())) < begin_of(until) + WIDTH_MS:
            return first
    return None


def _by_deadline(due: tuple[int, str, Row]) -> tuple[int, str]:
    return due[0], due[1]
