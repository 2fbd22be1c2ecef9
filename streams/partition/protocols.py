"""Protocols: what a worker, an embedded manager and a restore use of a partition and of its processor.

Two implementations: the reference in Python (`state`, `processor`, in this package), and the compiled engine
(`compiled_partition`, `compiled_processor`, in `streams.compiled`), where `engine_choice` makes one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from journeys.schemas.codec import Codec
from journeys.schemas.marks import Marks
from journeys.schemas.rows import PartitionRow, StartRow
from journeys.streams.partition.effects import Effects
from journeys.streams.rule.policy import Policy
from journeys.streams.rule.row import Row


class JourneyPartition(Protocol):
    """State of one partition: its rows, and what belongs to all of them. Attributes as in `PartitionState`."""

    number: int
    count: int
    clock: int | None
    time_source: str | None
    applied_offset: int
    unknown_late_until: int | None
    rule_version: int
    policy: Policy
    policies: dict[str, Policy]
    policy_offsets: dict[str, int]
    marks: Marks
    topic_ids: dict[str, str] | None
    corrected_clocks: dict[str, int] | None
    started: StartRow | None

    @property
    def rows(self) -> Mapping[str, Row]:
        """Rows by journey, to be read."""
        ...

    def forget_again(self) -> None:
        """Forget what each clock that was corrected had forgotten, where the tombstone of a row was lost in a crash."""
        ...

    def row(self) -> PartitionRow:
        """Row that says how far this partition has come."""
        ...

    def counts_as_absent(self, row: Row, occurred_at: int) -> bool:
        """Whether an ended journey is forgotten for a record of that time, be its row deleted or not."""
        ...

    def open_count(self) -> int:
        """Journeys with an open episode."""
        ...

    def next_due_at(self) -> int | None:
        """Clock at which the next deadline fires; None when nothing is open."""
        ...

    def cleanup_lag_ms(self) -> int:
        """How far the clock is past the first row that may be deleted; 0 where none may be yet."""
        ...

    def keep_stored(self, stored: Iterable[tuple[str, bytes]], codec: Codec) -> None:
        """Hold rows given as journeys with their wire bytes; raises UnreadableRowError."""
        ...

    def remove(self, journey_id: str) -> None:
        """Drop a journey's row, if it has one."""
        ...


class JourneyProcessor(Protocol):
    """Applies batches of log records to one partition.

    What several batches bring about can be gathered, so that a row that changed in each is stored once:
    `begin`, `apply_log` for each batch, `complete`.
    """

    @property
    def partition(self) -> JourneyPartition:
        """State that the batches are applied to."""
        ...

    def begin(self) -> Effects:
        """Effects of nothing yet, for batches to be added."""
        ...

    def apply_log(self, records: Sequence[Any], codec: Codec, effects: Effects) -> None:
        """Apply records as Kafka gives them, and add to the effects what they bring about."""
        ...

    def complete(self, effects: Effects) -> Effects:
        """Give the effects of all batches since `begin`, with the rows as they are now."""
        ...

    def process_log(self, records: Sequence[Any], codec: Codec) -> Effects:
        """Apply records as Kafka gives them, in order of their offsets: `begin`, `apply_log` and `complete`."""
        ...


class DecidedPartition(Protocol):
    """What `RecordProcessor` uses of a partition to decide one record."""

    number: int
    count: int
    clock: int | None
    time_source: str | None
    applied_offset: int
    rule_version: int
    policy: Policy
    policy_is_fixed: bool
    policies: dict[str, Policy]
    policy_offsets: dict[str, int]

    @property
    def rows(self) -> Mapping[str, Row]:
        """Rows by journey, to be read."""
        ...

    def counts_as_absent(self, row: Row, occurred_at: int) -> bool:
        """Whether an ended journey is forgotten for a record of that time, be its row deleted or not."""
        ...

    def forgotten_until(self, offset: int) -> int | None:
        """Latest instant that a record at `offset` of an unknown journey is too late for; None without a clock."""
        ...

    def keep(self, row: Row) -> None:
        """Hold a row that a record has changed."""
        ...

    def keep_counted(self, row: Row) -> None:
        """Hold a row in which a touchpoint only counted: its deadline can only have moved later."""
        ...

    def count_opened(self, change: int) -> None:
        """An episode has begun (1) or ended (-1)."""
        ...

    def correct_clock(self, at: int, offset: int) -> Sequence[Row]:
        """Set the clock to `at` (ms) for the correction at `offset`, and take back what a wrong one has closed.

        Gives the rows that changed and are to be stored, in order of their journeys.
        """
        ...
