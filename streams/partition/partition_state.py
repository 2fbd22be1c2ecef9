"""PartitionState: the state of a partition apart from its rows: clock, policies, and how far its log is applied."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from journeys.schemas.marks import Marks
from journeys.schemas.rows import PartitionRow, StartRow
from journeys.streams.rule.policy import DEFAULT_POLICY, Policy
from journeys.streams.rule.row import UNKNOWN_OFFSET, Row

FIRST_RULE_VERSION: Final = 1


class PartitionState(ABC):
    """What belongs to all rows of a partition.

    `clock` is the greatest punctuation read since it was last corrected, in epoch milliseconds, None before the first.
    `unknown_late_until` is the instant up to which records of unknown journeys are late whatever the clock says (ms),
    None unless the clock was set back. `rule_version` is the version of the rule in force.
    `policy` in place of None is in force throughout, whatever the log says. `grace_ms` in place of None
    overrides every policy's grace (file replay: 0).
    """

    def __init__(self, number: int, count: int, *, policy: Policy | None = None, grace_ms: int | None = None) -> None:
        self.number = number
        self.count = count
        self.clock: int | None = None
        self.time_source: str | None = None
        self.unknown_late_until: int | None = None
        self.rule_version = FIRST_RULE_VERSION
        self.applied_offset = UNKNOWN_OFFSET
        self.policy = policy or DEFAULT_POLICY
        self.policy_is_fixed = policy is not None
        self.policies: dict[str, Policy] = {self.policy.version: self.policy}
        self.policy_offsets: dict[str, int] = {self.policy.version: UNKNOWN_OFFSET}
        """Offset of the record that first brought each policy."""
        self.marks = Marks()
        """How records of the log are read, if not as they say themselves: known before they are applied."""
        self.topic_ids: dict[str, str] | None = None
        """Kafka's id of each topic by its name, as far as it is known: only stored, nothing is decided by it."""
        self.corrected_clocks: dict[str, int] | None = None
        """By the offset of each correction that set the clock back, the clock before it, in epoch milliseconds."""
        self.started: StartRow | None = None
        """Where workers have begun last: only stored, nothing is decided by it."""
        self._grace_ms = grace_ms

    def row(self) -> PartitionRow:
        """Row that says how far this partition has come."""
        return PartitionRow(
            self.applied_offset,
            self.clock,
            self.time_source,
            self.policy.version,
            self.count,
            self.rule_version,
            self.unknown_late_until,
            self.topic_ids,
            self.corrected_clocks,
        )

    def counts_as_absent(self, row: Row, occurred_at: int) -> bool:
        """Whether an ended journey is forgotten for a record of that time, be its row deleted or not.

        By the record's own time, so that how often punctuations come makes no difference; by the clock only
        when it is further by grace, as then no record that is on time can ask.
        """
        if row.cleanup_at is None:
            return False
        return occurred_at >= row.cleanup_at or (self.clock is not None and self.forgotten_at(row) <= self.clock)

    def forgotten_at(self, row: Row) -> int:
        """Clock from which an ended row may be deleted."""
        assert row.cleanup_at is not None
        return row.cleanup_at + self.grace_of(row)

    def grace_of(self, row: Row) -> int:
        """Grace of the row's episode, in milliseconds."""
        return row.policy.grace_ms if self._grace_ms is None else self._grace_ms

    def forgotten_until(self, offset: int) -> int | None:
        """Latest instant that a record at `offset` of an unknown journey is too late for; None without a clock.

        By the shortest cleanup of all policies so far: the journey may have been known, and forgotten under that one.
        Opened again at the same instant, its episode would have the id of the earlier one. A clock that was set back
        makes nothing known again.
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
        until = self.clock - shortest_ms
        return until if self.unknown_late_until is None else max(until, self.unknown_late_until)

    def set_clock(self, at: int, offset: int) -> None:
        """Set the clock to `at` (ms) because of the correction at `offset`, once all rows are corrected."""
        forgotten_until = self.forgotten_until(offset)
        if forgotten_until is not None and self.clock is not None and at < self.clock:
            self.unknown_late_until = min(forgotten_until, at)
            self.corrected_clocks = {**(self.corrected_clocks or {}), str(offset): self.clock}
        self.clock = at

    def forget_again(self) -> None:
        """Forget what each clock that was corrected had forgotten, where the tombstone of a row was lost in a crash."""
        for offset, clock in (self.corrected_clocks or {}).items():
            self.forget_before(int(offset), clock)

    @abstractmethod
    def forget_before(self, offset: int, clock: int) -> None:
        """Have ended rows from before `offset` count as absent that an earlier clock (ms) had forgotten."""

    def cleanup_lag_ms(self) -> int:
        """How far the clock is past the first row that may be deleted; 0 where none may be yet."""
        first = self.next_cleanup_at()
        return 0 if first is None or self.clock is None else max(0, self.clock - first)

    @abstractmethod
    def next_cleanup_at(self) -> int | None:
        """Clock from which the first row may be deleted; None where none may ever be as it stands."""
