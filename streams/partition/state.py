"""Partition: the rows of one partition as Python objects, with indexes of their deadlines and deletions."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter, itemgetter
from typing import Final

from journeys.schemas.codec import Codec
from journeys.schemas.instants import EARLIEST
from journeys.streams.partition.deadline_index import DeadlineIndex, Filed, begin_of
from journeys.streams.partition.partition_state import PartitionState
from journeys.streams.rule.clock import correct
from journeys.streams.rule.policy import Policy
from journeys.streams.rule.row import Row
from journeys.streams.stored.restored_rows import rows_of

FIRST_PARTITION_COUNT: Final = 1


class Partition(PartitionState):
    """Rows by journey and what belongs to all of them; `policy` and `grace_ms` as in `PartitionState`."""

    def __init__(
        self,
        number: int = 0,
        count: int = FIRST_PARTITION_COUNT,
        *,
        policy: Policy | None = None,
        grace_ms: int | None = None,
    ) -> None:
        super().__init__(number, count, policy=policy, grace_ms=grace_ms)
        self.rows: dict[str, Row] = {}
        self._open_count = 0
        self._deadlines = DeadlineIndex()
        self._cleanups = DeadlineIndex()

    def open_count(self) -> int:
        """Journeys with an open episode, without looking through all of them."""
        return self._open_count

    def count_opened(self, change: int) -> None:
        """An episode has begun (1) or ended (-1)."""
        self._open_count += change

    def due_at(self, row: Row) -> int:
        """Clock at which a punctuation fires the open row: its deadline plus grace."""
        return row.deadline_at + self.grace_of(row)

    def due_until(self, row: Row) -> int:
        """Latest deadline that is due at the present clock under the row's grace."""
        assert self.clock is not None
        return self.clock - self.grace_of(row)

    def keep(self, row: Row) -> None:
        """Hold a row that changed and see to its entry in the indexes."""
        self.rows[row.journey_id] = row
        if row.open:
            due_at = self.due_at(row)
            if row.armed_at is None or due_at < row.armed_at:
                row.armed_at = self._deadlines.file(due_at, row)
        elif row.cleanup_at is not None:
            self._cleanups.file(self.forgotten_at(row), row)

    def keep_counted(self, row: Row) -> None:
        """Do nothing: the row is the one that is held, and its entry in the index stays as it is."""

    def keep_stored(self, stored: Iterable[tuple[str, bytes]], codec: Codec) -> None:
        """Hold rows given as journeys with their wire bytes; raises UnreadableRowError, and then holds none of them."""
        rows: list[Row] = []
        for chunk in rows_of(stored, self.policies, codec):
            rows.extend(chunk)
        for row in rows:
            held = self.rows.get(row.journey_id)
            self._open_count += row.open - (held is not None and held.open)
            self.keep(row)

    def remove(self, journey_id: str) -> None:
        """Drop a journey's row, if it has one."""
        row = self.rows.pop(journey_id, None)
        if row is not None and row.open:
            self._open_count -= 1

    def next_cleanup_at(self) -> int | None:
        """Clock from which the first row may be deleted."""
        first = self._first_cleanup()
        return None if first is None else first[0]

    def _first_cleanup(self) -> Filed | None:
        """Entry of the row that may be deleted first. Puts entries right on the way, drops those of earlier ends."""
        while (first := self._cleanups.first()) is not None:
            at, journey_id, _, row = first
            if not row.open and self.rows.get(journey_id) is row:
                forgotten_at = self.forgotten_at(row)
                if forgotten_at == at:
                    return first
                self._cleanups.pop()
                if begin_of(forgotten_at) == at:
                    self._cleanups.file(forgotten_at, row)
                continue
            self._cleanups.pop()
        return None

    def next_due_at(self) -> int | None:
        """Clock at which the next deadline fires; None when nothing is open. Puts stale entries right on the way."""
        while (first := self._deadlines.first()) is not None:
            at, journey_id, _, row = first
            is_armed = row.armed_at == at
            if is_armed and row.open and self.rows.get(journey_id) is row:
                due_at = self.due_at(row)
                if due_at == at:
                    return at
                self._deadlines.pop()
                row.armed_at = self._deadlines.file(due_at, row)
                continue
            self._deadlines.pop()
            if is_armed:
                row.armed_at = None
        return None

    def take_due(self) -> list[tuple[int, str, Row]]:
        """Take out what the present clock fires: (deadline_at, journey_id, row), in this order."""
        due: list[tuple[int, str, Row]] = []
        clock = self.clock
        if clock is None:
            return due
        deadlines, find = self._deadlines, self.rows.get
        policy: Policy | None = None
        grace_ms = 0
        # As `next_due_at`, with the deadline's sum written out: every third touchpoint has its journey looked at.
        for at, row in deadlines.take(clock):
            if row.armed_at != at:
                continue
            if not row.open:
                row.armed_at = None
                continue
            deadline_at = row.last_activity_at + row.inactivity_in_force_ms
            timeout_at = row.started_at + row.lasts_ms
            if timeout_at < deadline_at:  # noqa: PLR1730  (as in Row.deadline_at)
                deadline_at = timeout_at
            if row.policy is not policy:
                policy = row.policy
                grace_ms = self.grace_of(row)
            due_at = deadline_at + grace_ms
            if due_at > clock:
                row.armed_at = deadlines.file(due_at, row)
                continue
            row.armed_at = None
            if find(row.journey_id) is row:  # else a restore has brought another in its place
                due.append((deadline_at, row.journey_id, row))
        due.sort(key=_BY_DEADLINE)
        return due

    def correct_clock(self, at: int, offset: int) -> list[Row]:
        """Set the clock to `at` (ms), take back what a wrong one has closed; gives the rows that changed, by journey.

        A row that a crash left ahead of the correction at `offset` is none of its business.
        """
        clock, changed = self.clock, []
        for row in self.rows.values():
            if row.offset >= offset:
                continue
            was_forgotten = row.cleanup_at is not None and clock is not None and self.forgotten_at(row) <= clock
            if correct(row, at, was_forgotten=was_forgotten):
                row.offset = offset
                changed.append(row)
        for row in changed:
            self.keep(row)
        self.set_clock(at, offset)
        return sorted(changed, key=_BY_JOURNEY)

    def forget_before(self, offset: int, clock: int) -> None:
        """Have ended rows from before `offset` count as absent that an earlier clock (ms) had forgotten."""
        for row in self.rows.values():
            if row.offset < offset and row.cleanup_at is not None and self.forgotten_at(row) <= clock:
                row.cleanup_at = EARLIEST
                self.keep(row)

    def delete_stale(self, offset: int) -> dict[str, int]:
        """Delete rows that count as absent, at most a policy's batch; by journey, `offset` of the punctuation."""
        gone: dict[str, int] = {}
        ahead: list[Row] = []
        if self.clock is None:
            return gone
        cleanups, most = self._cleanups, self.policy.cleanup.batch_size
        while len(gone) < most and (first := self._first_cleanup()) is not None and first[0] <= self.clock:
            cleanups.pop()
            row = first[3]
            if row.offset >= offset:  # a row that a crash left ahead of this punctuation
                ahead.append(row)
                continue
            del self.rows[row.journey_id]
            gone[row.journey_id] = offset
        for row in ahead:
            cleanups.file(self.forgotten_at(row), row)
        return gone


_BY_DEADLINE = itemgetter(0, 1)
_BY_JOURNEY = attrgetter("journey_id")
