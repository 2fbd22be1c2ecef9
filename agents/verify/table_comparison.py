"""The stored table against what a replay makes of the log: row by row, each partition at the offset it stands for.

A row that counts as absent is compared with nothing: when it is deleted is housekeeping, and differs after a crash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from journeys.agents.verify.field_difference import field_difference
from journeys.agents.verify.stored_partition import StoredPartition
from journeys.schemas.rows import journey_key, policy_key
from journeys.streams.partition.state import Partition

# By the clock alone: no record has a time before it.
_BEFORE_ALL: Final = -(2**63)


@dataclass(slots=True)
class RowCounts:
    """Rows of one kind. `ahead` are those behind the offset that their partition stands for: a flush was cut there."""

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
    """The comparison of all partitions; `differences` are the first `shown` of them in words."""

    shown: int
    journeys: RowCounts = field(default_factory=lambda: RowCounts("journeys"))
    policies: RowCounts = field(default_factory=lambda: RowCounts("policies"))
    partitions: RowCounts = field(default_factory=lambda: RowCounts("partitions"))
    open_journeys: int = 0
    """Journeys that are open in the replay."""
    records_read: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def counts(self) -> tuple[RowCounts, RowCounts, RowCounts]:
        """All kinds of rows."""
        return (self.journeys, self.policies, self.partitions)

    @property
    def ok(self) -> bool:
        """Whether the table is what the log makes."""
        return all(counts.ok for counts in self.counts)

    def compare(self, stored: StoredPartition, expected: Partition, log_end: int) -> None:
        """Take a partition, and what a replay makes of the log up to the offset that the partition's row names.

        `log_end` is the offset behind the log's last record: no row can stand for that or a greater one.
        """
        partition = stored.partition
        ahead = range(partition.applied_offset + 1, log_end)
        place = f"partition {partition.number}"
        self._one(self.partitions, f"{place}: its own row", _own(partition), _own(expected))
        said = {version: policy.to_json() for version, policy in partition.policies.items()}
        for version, policy in expected.policies.items():
            self._one(self.policies, f"{place}: policy {version}", said.pop(version, None), policy.to_json())
        for version, policy_text in said.items():
            if stored.ahead.get(policy_key(version)) in ahead:
                self.policies.ahead += 1
            else:
                self._one(self.policies, f"{place}: policy {version}", policy_text, None)
        self._journeys(stored, expected, ahead)

    def unreadable(self, number: int, expected: Partition, why: str) -> None:
        """Take a partition of which nothing can be restored."""
        self._tell(f"partition {number}: {why}")
        self.partitions.different += 1
        self.journeys.missing += len(expected.rows)
        self.open_journeys += sum(row.open for row in expected.rows.values())

    def tell_beyond(self, number: int, applied_offset: int, end: int) -> None:
        """Take a partition that claims more than there is."""
        self._tell(f"partition {number}: its own row stands at offset {applied_offset}, and the log ends at {end}")
        self.partitions.different += 1

    def _journeys(self, stored: StoredPartition, expected: Partition, ahead: range) -> None:
        counts = self.journeys
        partition = stored.partition
        stored_rows = dict(partition.rows)
        for journey_id, row in expected.rows.items():
            self.open_journeys += row.open
            found = stored_rows.pop(journey_id, None)
            offset = stored.ahead.get(journey_key(journey_id)) if found is None else found.offset
            if offset in ahead:
                counts.ahead += 1
            elif expected.counts_as_absent(row, _BEFORE_ALL):
                counts.equal += found is not None
            else:
                place = f"partition {partition.number}: journey {journey_id}"
                self._one(counts, place, None if found is None else found.stored(), row.stored())
        for journey_id, found in stored_rows.items():
            if found.offset in ahead:
                counts.ahead += 1
            elif not partition.counts_as_absent(found, _BEFORE_ALL):
                self._one(counts, f"partition {partition.number}: journey {journey_id}", found.stored(), None)

    def _one(self, counts: RowCounts, place: str, is_: Any, should: Any) -> None:
        if is_ == should:
            counts.equal += 1
        elif is_ is None:
            counts.missing += 1
            self._tell(f"{place}: is missing")
        elif should is None:
            counts.extra += 1
            self._tell(f"{place}: the log does not make it")
        else:
            counts.different += 1
            self._tell(f"{place}: {_differing(is_, should)}")

    def _tell(self, text: str) -> None:
        if len(self.differences) < self.shown:
            self.differences.append(text)


def _own(partition: Partition) -> dict[str, Any]:
    return partition.row()._asdict()


def _differing(is_: Any, should: Any) -> str:
    """Fields that differ, in words."""
    if not isinstance(is_, Mapping):
        return f"is {is_!r}, the log makes {should!r}"
    return field_difference(is_, should, "the log makes")
