"""The state of one partition: its rows, clock, policies and deadlines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final

from journeys.schemas.codec import Codec
from journeys.schemas.rows import PartitionRow
from journeys.streams.partition.deadline_index import DeadlineIndex, Filed, begin_of
from journeys.streams.rule.policy import DEFAULT_POLICY, Policy
from journeys.streams.rule.row import UNKNOWN_OFFSET, Row
from journeys.streams.stored.restored_rows import rows_of

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
        shortest_ms: int | None = None
        for version, at in self.policy_offsets.items():
            if at < offset:
                cleanup_ms = self.policies[version].cleanup_ms
                if shortest_ms is None or cleanup_ms < shortest_ms:
                    shortest_ms = cleanup_ms
        assert shortest_ms is not None  # the policy that a partition begins with is older than any record
        return self.clock - shortest_ms

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
                row.armed_at = self._deadlines.file(due_at, row)
        elif row.cleanup_at is not None:
            self._cleanups.file(self._forgotten_at(row), row)

    def keep_all(self, rows: Sequence[Row]) -> None:
        """Hold many rows that are in no index yet, as a restore makes them."""
        for row in rows:
            self.keep(row)

    def keep_stored(self, stored: Iterable[tuple[str, bytes]], codec: Codec) -> None:
        """Hold rows given as journeys with their wire bytes; raises UnreadableRowError, and then holds none of them."""
        rows: list[Row] = []
        for chunk in rows_of(stored, self.policies, codec):
            rows.extend(chunk)
        self.keep_all(rows)

    def next_cleanup_at(self) -> int | None:
        """Clock from which the first row may be deleted."""
        first = self._first_cleanup()
        return None if first is None else first[0]

    def _first_cleanup(self) -> Filed | None:
        """Entry of the row that may be deleted first. Puts entries right on the way, drops those of earlier ends."""
        while (first := self._cleanups.first()) is not None:
            at, journey_id, _, row = first
            if not row.open and self.rows.get(journey_id) is row:
                forgotten_at = self._forgotten_at(row)
                if forgotten_at == at:
                    return first
                self._cleanups.pop()
                if begin_of(forgotten_at) == at:
                    self._cleanups.file(forgotten_at, row)
                continue
            self._cleanups.pop()
        return None

    def cleanup_lag_ms(self) -> int:
        """How far the clock is past the first row that may be deleted; 0 where none may be yet."""
        first = self.next_cleanup_at()
        return 0 if first is None or self.clock is None else max(0, self.clock - first)

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
                grace_ms = self._grace_of(row)
            due_at = deadline_at + grace_ms
            if due_at > clock:
                row.armed_at = deadlines.file(due_at, row)
                continue
            row.armed_at = None
            if find(row.journey_id) is row:  # else a restore has brought another in its place
                due.append((deadline_at, row.journey_id, row))
        due.sort(key=_BY_DEADLINE)
        return due

    def forget_stale(self, offset: int) -> dict[str, int]:
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
            cleanups.file(self._forgotten_at(row), row)
        return gone


_BY_DEADLINE = itemgetter(0, 1)
