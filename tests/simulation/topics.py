"""What outlives a worker: the topics, with a changelog that is compacted as Kafka does it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from journeys.streams.partition.changelog import OutputMessage
from journeys.streams.partition.entry import Entry
from journeys.streams.stored.stored_row import StoredRow
from tests.simulation.marks import Registry

# min.compaction.lag.ms as in the topic map, and Kafka's own delete.retention.ms.
COMPACTION_LAG_HOURS: Final = 24
TOMBSTONE_HOURS: Final = 24


@dataclass
class Topics:
    """Input, outputs and changelog of one partition, the committed offset, and the hour that it is."""

    input: list[Entry]
    foreign: dict[int, int] = field(default_factory=dict)
    """Schema ids that only the registry knows, by the offset of their records."""
    registry: Registry = field(default_factory=Registry)
    deadly: int | None = None
    """Offset of a record that kills whoever applies it, unless a mark skips it."""
    outputs: list[OutputMessage] = field(default_factory=list)
    changelog: list[StoredRow | None] = field(default_factory=list)
    """By position; None where it was compacted away."""
    committed: int = 0
    hour: int = 0
    input_id: str = "the first"
    """Kafka's id of the input topic."""
    _written_at: list[int] = field(default_factory=list)
    _tombstones_cleaned_at: dict[int, int] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """Input offset behind the last record."""
        return self.input[-1].offset + 1

    def replace_input(self, log: Iterable[Entry]) -> None:
        """Delete the input topic and create it again, with other records; what was published before is put aside."""
        self.input = list(log)
        self.input_id = "the second"
        self.deadly = None
        self.outputs = []

    def begin_anew(self) -> None:
        """Have what a new application id has: an empty table, and nothing committed."""
        self.changelog, self._written_at, self.committed = [], [], 0
        self._tombstones_cleaned_at = {}

    def append(self, row: StoredRow) -> int:
        """Append to the changelog; gives the position."""
        self.changelog.append(row)
        self._written_at.append(self.hour)
        return len(self.changelog) - 1

    def stored(self, begin: int = 0, end: int | None = None) -> list[StoredRow]:
        """Return what a reader of the changelog finds there."""
        return [row for row in self.changelog[begin:end] if row is not None]

    def compact(self) -> None:
        """Keep the last record of each key, of all that is old enough; drop tombstones that were kept long enough."""
        latest = self.hour - COMPACTION_LAG_HOURS
        end = next((position for position, at in enumerate(self._written_at) if at > latest), len(self.changelog))
        last = {row.key: position for position, row in enumerate(self.changelog[:end]) if row is not None}
        kept = set(last.values())
        for position, row in enumerate(self.changelog[:end]):
            if position not in kept:
                self.changelog[position] = None
            elif row is not None and row.value is None:
                cleaned_at = self._tombstones_cleaned_at.setdefault(position, self.hour)
                if self.hour - cleaned_at >= TOMBSTONE_HOURS:
                    self.changelog[position] = None
