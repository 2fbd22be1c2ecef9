"""The state of one partition: its rows, clock, policies and deadlines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heapify
from typing import Final

from schemas.codec import Codec
from schemas.rows import PartitionRow
from streams.deadline_index import DeadlineIndex
from streams.policy import DEFAULT_POLICY, Policy
from streams.restored_rows import rows_of
from streams.row import UNKNOWN_OFFSET, Row

FIRST_PARTITION_COUNT: Final = 1


class Partition:
    """Rows by journey and what belongs to all of them.

    `clock` is the greatest punctuation read, in epoch milliseconds, None before the first.
    `policy` in place of None is in force throughout, whatever the log says. `grace_ms` in place of None
    overrides every policy's grace (file replay: 0).
    """

    def __init__(
        self,
        number: int = 0,
        count: int = FIRST_PARTITION_COUNT,
        *,
        policy: Policy | None = None,
        grace_ms: int | None = None,
    ) -> None:
        self.number = number
        self.count = count
        self.rows: dict[str, Row] = {}
        self.clock: int | None = None
        self.time_source: str | None = None
        self.applied_offset = UNKNOWN_OFFSET
        self.policy = policy or DEFAULT_POLICY
        self.policy_is_fixed = policy is not None
        self.policies: dict[str, Policy] = {self.policy.version: self.policy}
        self.policy_offsets: dict[str, int] = {self.policy.version: UNKNOWN_OFFSET}
        """Offset of the record that first brought each policy."""
        self._grace_ms = grace_ms
        self._open_count = 0
        self._deadlines = DeadlineIndex()
        self._cleanups = DeadlineIndex()

    def row(self) -> PartitionRow:
        """Row that says how far this partition has come."""
        return PartitionRow(self.applied_offset, self.clock, self.time_source, self.policy.version, self.count)

    def open_count(self) -> int:
        """Journeys with an open episode, without looking through all of them."""
        return self._open_count

    def count_opened(self, change: int) -> None:
        """An episode has begun (1) or ended (-1)."""
        self._open_count += change

    def count_open(self) -> None:
        """Count open episodes anew, when rows came from elsewhere."""
        self._open_count = sum(row.open for row in self.rows.values())

    def counts_as_absent(self, row: Row, occurred_at: int) -> bool:
        """Whether an ended journey is forgotten for a record of that time, be its row deleted or not.

        By the record's own time, so that how often punctuations come makes no difference; by the clock only
        when it is further by grace, as then no record that is on time can ask.
        """
        if row.cleanup_at is None:
            return False
        return occurred_at >= row.cleanup_at or (self.clock is not None and self._forgotten_at(row) <= self.clock)

    def _forgotten_at(self, row: Row) -> int:
        assert row.cleanup_at is not None
        return row.cleanup_at + self._grace_of(row)

    def _grace_of(self, row: Row) -> int:
        return row.policy.grace_ms if self._grace_ms is None else self._grace_ms

    def forgotten_until(self, offset: int) -> int | None:
        """Latest instant that a record at `offset` of an unknown journey is too late for; None without a clock.

        By the shortest cleanup of all policies so far: the journey may have been known, and forgotten under that one.
        Opened again at the same instant, its episode would have the id of the earlier one.
        """
        if self.clock is None:
            return None
        brought = self.policy_offsets.items()
        return self.clock - min(self.policies[version].cleanup_ms for version, at in brought if at < offset)

    def due_at(self, row: Row) -> int:
        """Clock at which a punctuation fires the open row: its deadline plus grace."""
        return row.deadline_at + self._grace_of(row)

    def due_until(self, row: Row) -> int:
        """Latest deadline that is due at the present clock under the row's grace."""
        assert self.clock is not None
        return self.clock - self._grace_of(row)

    def keep(self, row: Row) -> None:
        """Hold a row that changed and see to its entry in the indexes."""
        self.rows[row.journey_id] = row
        if row.open:
            due_at = self.due_at(row)
            if row.armed_at is None or due_at < row.armed_at:
                row.armed_at = due_at
                self._deadlines.push(due_at, row.journey_id)
        elif row.cleanup_at is not None:
            self._cleanups.push(self._forgotten_at(row), row.journey_id)

    def keep_all(self, rows: Sequence[Row]) -> None:
        """Hold many rows that are in no index yet, as a restore makes them."""
        self.rows.update((row.journey_id, row) for row in rows)
        deadlines: list[tuple[int, str]] = []
        cleanups: list[tuple[int, str]] = []
        for row in rows:
            if row.open:
                row.armed_at = due_at = row.deadline_at + self._grace_of(row)
                deadlines.append((due_at, row.journey_id))
            elif row.cleanup_at is not None:
                cleanups.append((self._forgotten_at(row), row.journey_id))
        self._deadlines.extend(deadlines)
        self._cleanups.extend(cleanups)

    def keep_stored(self, stored: Iterable[tuple[str, bytes]], codec: Codec) -> None:
        """Hold rows given as journeys with their wire bytes; raises UnreadableRowError, and then holds none of them."""
        rows: list[Row] = []
        for chunk in rows_of(stored, self.policies, codec):
            rows.extend(chunk)
        self.keep_all(rows)

    def next_cleanup_at(self) -> int | None:
        """Clock from which the first row may be deleted; rows that have opened again since may make it too early."""
        first = self._cleanups.first()
        return None if first is None else first[0]

    def cleanup_lag_ms(self) -> int:
        """How far the clock is past the first row that may be deleted; 0 where none may be yet."""
        first = self.next_cleanup_at()
        return 0 if first is None or self.clock is None else max(0, self.clock - first)

    def next_due_at(self) -> int | None:
        """Clock at which the next deadline fires; None when nothing is open. Puts stale entries right on the way."""
        while (first := self._deadlines.first()) is not None:
            at, journey_id = first
            row = self._armed(journey_id, at)
            due_at = self.due_at(row) if row is not None and row.open else None
            if due_at == at:
                return at
            self._settle_first(row, due_at, journey_id)
        return None

    def take_due(self) -> list[tuple[int, str]]:
        """Take out what the present clock fires: a heap of (deadline_at, journey_id)."""
        due: list[tuple[int, str]] = []
        clock = self.clock
        if clock is None:
            return due
        while (first := self._deadlines.first()) is not None and first[0] <= clock:
            at, journey_id = first
            row = self._armed(journey_id, at)
            due_at = self.due_at(row) if row is not None and row.open else None
            if row is not None and due_at is not None and due_at <= clock:
                due.append((row.deadline_at, journey_id))
                due_at = None
            self._settle_first(row, due_at, journey_id)
        heapify(due)
        return due

    def _armed(self, journey_id: str, at: int) -> Row | None:
        """Row whose entry in the index is the one at `at`; None where that entry is stale."""
        row = self.rows.get(journey_id)
        return row if row is not None and row.armed_at == at else None

    def _settle_first(self, row: Row | None, due_at: int | None, journey_id: str) -> None:
        """Move the first entry to `due_at`, in one step; None takes it out."""
        if row is not None:
            row.armed_at = due_at
        if due_at is None:
            self._deadlines.pop()
        else:
            self._deadlines.move_first(due_at, journey_id)

    def forget_stale(self, offset: int) -> dict[str, int]:
        """Delete rows that count as absent, at most a policy's batch; by journey, `offset` of the punctuation."""
        gone: dict[str, int] = {}
        ahead: list[tuple[int, str]] = []
        if self.clock is None:
            return gone
        for at, journey_id in self._cleanups.pop_until(self.clock):
            row = self.rows.get(journey_id)
            if row is None or row.open or self._forgotten_at(row) != at:
                continue
            if row.offset >= offset:  # a row that a crash left ahead of this punctuation
                ahead.append((at, journey_id))
                continue
            del self.rows[journey_id]
            gone[journey_id] = offset
            if len(gone) >= self.policy.cleanup.batch_size:
                break
        for entry in ahead:
            self._cleanups.push(*entry)
        return gone
