"""Effects: outputs and changed rows of a batch of records, to be published and stored in this order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from journeys.schemas.records import DeadLetter, JourneyAbandoned, JourneyLifecycle
from journeys.schemas.rows import MarkRow, PolicyRow
from journeys.streams.partition.abandonment_tally import Tally
from journeys.streams.rule.row import Row
from journeys.streams.stored.stored_row import StoredRow

EncodedOutput: TypeAlias = tuple[bytes, bytes]
"""Key and wire bytes of an output."""


@dataclass(slots=True)
class Counts:
    """Records by what became of them. Each record read counts in exactly one field."""

    applied: int = 0
    late: int = 0
    duplicate: int = 0
    refused: int = 0
    dead: int = 0
    punctuations: int = 0
    policies: int = 0
    clock_corrections: int = 0
    time_source_changes: int = 0
    """Repeats, which change nothing, included."""
    marks: int = 0
    skipped: int = 0

    @property
    def read(self) -> int:
        """All records read, without those that had been applied before a restart."""
        return sum(getattr(self, name) for name in self.__slots__ if name != "skipped")

    def add(self, other: Counts) -> None:
        """Add another batch's counts."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Effects:
    """Outputs in firing order, rows that changed, and counts. Rows are the live objects, not copies."""

    abandonments: list[JourneyAbandoned] = field(default_factory=list)
    lifecycle: list[JourneyLifecycle] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    changed: dict[str, Row] = field(default_factory=dict)
    encoded: Mapping[str, Sequence[EncodedOutput]] = field(default_factory=dict)
    """By topic, outputs of a batch that the compiled engine has applied; the two lists above are empty then."""
    stored: Sequence[StoredRow] = ()
    """Rows that changed, of those that the compiled engine keeps: as the changelog has them."""
    tally: Tally | None = None
    """Abandonments among `encoded`, counted; None where the lists hold all that there are."""
    deleted: dict[str, int] = field(default_factory=dict)
    """Journeys whose row is deleted, with the offset of the punctuation that did it."""
    policies: list[PolicyRow] = field(default_factory=list)
    marks: list[MarkRow] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
