"""Compares the stored table with a replay, row by row, each partition at the offset of its own row.

Rows that count as absent are not compared: when they are deleted does not matter, and differs after a crash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from journeys.agents.verify.field_difference import field_difference
from journeys.agents.verify.stored_partition import StoredPartition
from journeys.schemas.rows import journey_key, policy_key
from journeys.streams.partition.state import Partition

# Earlier than any record, so that `counts_as_absent` depends on the clock alone.
_BEFORE_ALL: Final = -(2**63)


@dataclass(slots=True)
class RowCounts:
    """Counts of one kind of rows. `ahead` are rows beyond the offset of the partition row: a flush was interrupted."""

    kind: str
    equal: int = 0
    missing: int = 0
    extra: int = 0
    different: int = 0
    ahead: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is missing, extra or different."""
        return not (self.missing or self.extra or self.different)


@dataclass(slots=True)
class TableReport:
    """Result for all partitions; `differences` describes the first `shown` of them."""

    shown: int
    journeys: RowCounts = field(default_factory=lambda: RowCounts("journeys"))
    policies: RowCounts = field(default_factory=lambda: RowCounts("policies"))
    marks: RowCounts = field(default_factory=lambda: RowCounts("marks"))
    partitions: RowCounts = field(default_factory=lambda: RowCounts("partitions"))
    open_journeys: int = 0
    """Journeys that are open in the replay."""
    records_read: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def counts(self) -> tuple[RowCounts, ...]:
        """All kinds of rows."""
        return (self.journeys, self.policies, self.marks, self.partitions)

    @property
    def ok(self) -> bool:
        """Whether the table equals the replay."""
        return all(counts.ok for counts in self.counts)

    def compare(self, stored: StoredPartition, expected: Partition, log_end: int) -> None:
        """Compare a stored partition with a replay of the log up to the offset of the partition row.

        `log_end` is the end offset of the log: no row can have that or a greater offset.
        """
        partition = stored.partition
        ahead = range(partition.applied_offset + 1, log_end)
        place = f"partition {partition.number}"
        self._compare_one(self.partitions, f"{place}: its own row", _own(partition), _own(expected))
        stored_policies = {version: policy.to_json() for version, policy in partition.policies.items()}
        for version, policy in expected.policies.items():
            self._compare_one(
                self.policies, f"{place}: policy {version}", stored_policies.pop(version, None), policy.to_json()
            )
        for version, policy_text in stored_policies.items():
            if stored.ahead.get(policy_key(version)) in ahead:
                self.policies.ahead += 1
            else:
                self._compare_one(self.policies, f"{place}: policy {version}", policy_text, None)
        self._marks(stored, expected, ahead)
        self._journeys(stored, expected, ahead)

    def add_unreadable(self, number: int, expected: Partition, why: str) -> None:
        """Add a partition that can't be restored."""
        self._add_difference(f"partition {number}: {why}")
        self.partitions.different += 1
        self.journeys.missing += len(expected.rows)
        self.open_journeys += sum(row.open for row in expected.rows.values())

    def add_beyond_log(self, number: int, applied_offset: int, end: int) -> None:
        """Add a partition whose row has an offset beyond the end of the log."""
        self._add_difference(
            f"partition {number}: its own row stands at offset {applied_offset}, and the log ends at {end}"
        )
        self.partitions.different += 1

    def _marks(self, stored: StoredPartition, expected: Partition, ahead: range) -> None:
        """Compare the marks up to the offset of the partition row; the replay knows those behind it, too."""
        partition = stored.partition
        for offset in sorted(partition.marks.by_offset.keys() | expected.marks.by_offset.keys()):
            mark = partition.marks.by_offset.get(offset)
            if offset not in ahead:
                place = f"partition {partition.number}: mark at offset {offset}"
                self._compare_one(self.marks, place, mark, expected.marks.by_offset.get(offset))
            elif mark is not None:
                self.marks.ahead += 1

    def add_other_topics(self, number: int, replaced: list[str]) -> None:
        """Add a partition whose row was made with other topics; `replaced` says which, one line each."""
        for line in replaced:
            self._add_difference(f"partition {number}: {line}")
        self.partitions.different += 1

    def _journeys(self, stored: StoredPartition, expected: Partition, ahead: range) -> None:
        counts = self.journeys
        partition = stored.partition
        stored_rows = dict(partition.rows)
        for journey_id, row in expected.rows.items():
            self.open_journeys += row.open
            stored_row = stored_rows.pop(journey_id, None)
            offset = stored.ahead.get(journey_key(journey_id)) if stored_row is None else stored_row.offset
            if offset in ahead:
                counts.ahead += 1
            elif expected.counts_as_absent(row, _BEFORE_ALL):
                counts.equal += stored_row is not None
            else:
                place = f"partition {partition.number}: journey {journey_id}"
                self._compare_one(counts, place, None if stored_row is None else stored_row.stored(), row.stored())
        for journey_id, stored_row in stored_rows.items():
            if stored_row.offset in ahead:
                counts.ahead += 1
            elif not partition.counts_as_absent(stored_row, _BEFORE_ALL):
                self._compare_one(
                    counts, f"partition {partition.number}: journey {journey_id}", stored_row.stored(), None
                )

    def _compare_one(self, counts: RowCounts, place: str, actual: Any, expected: Any) -> None:
        if actual == expected:
            counts.equal += 1
        elif actual is None:
            counts.missing += 1
            self._add_difference(f"{place}: is missing")
        elif expected is None:
            counts.extra += 1
            self._add_difference(f"{place}: the log does not make it")
        else:
            counts.different += 1
            self._add_difference(f"{place}: {_differing(actual, expected)}")

    def _add_difference(self, text: str) -> None:
        if len(self.differences) < self.shown:
            self.differences.append(text)


def _own(partition: Partition) -> dict[str, Any]:
    return partition.row()._asdict()


def _differing(actual: Any, expected: Any) -> str:
    """Description of the fields that differ."""
    if not isinstance(actual, Mapping):
        return f"is {actual!r}, the log makes {expected!r}"
    return field_difference(actual, expected, "the log makes")
