"""Processor: applies a batch of log records to the rows of one partition and gives the outputs. The reference."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from typing import Any

from journeys.schemas.codec import Codec
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import EntryFields
from journeys.streams.partition.log_entries import log_entries
from journeys.streams.partition.record_processor import RecordProcessor
from journeys.streams.partition.state import Partition
from journeys.streams.rule.decide import decide_due
from journeys.streams.rule.facts import ExtendedAutomatically
from journeys.streams.rule.row import Row


class Processor:
    """Applies entries to one partition's state, live without the engine and in every replay.

    What several batches bring about can be gathered, so that a row that changed in each is stored once:
    `begin`, `apply` or `apply_log` for each batch, `complete`.
    """

    def __init__(self, partition: Partition, *, provenance: bool = True) -> None:
        self.partition = partition
        self._records = RecordProcessor(partition, provenance=provenance)

    def process(self, entries: Iterable[EntryFields]) -> Effects:
        """Apply entries in order of their offsets; what was applied before a restart is skipped."""
        effects = self.begin()
        self.apply(entries, effects)
        return self.complete(effects)

    def process_log(self, records: Sequence[Any], codec: Codec) -> Effects:
        """Apply records of the input topic as Kafka gives them, in order of their offsets."""
        effects = self.begin()
        self.apply_log(records, codec, effects)
        return self.complete(effects)

    def begin(self) -> Effects:
        """Effects of nothing yet, for batches to be added."""
        return Effects()

    def complete(self, effects: Effects) -> Effects:
        """Give the effects of all batches since `begin`, with the rows as they are now."""
        return effects

    def apply_log(self, records: Sequence[Any], codec: Codec, effects: Effects) -> None:
        """Apply records as Kafka gives them, and add to the effects what they bring about."""
        self.apply(log_entries(records, codec, self.partition.marks), effects)

    def apply(self, entries: Iterable[EntryFields], effects: Effects) -> None:
        """Apply entries, and add to the effects what they bring about."""
        self._records.apply(entries, effects, self.punctuate)

    def punctuate(self, at: int, offset: int, effects: Effects) -> None:
        """Move the clock to `at` (ms) unless it is further, fire what is due, and clean up."""
        partition = self.partition
        partition.clock = at if partition.clock is None else max(partition.clock, at)
        self._fire(partition.clock, offset, effects)
        # What has changed, too, is stored all the same: a crash may come between the partition row and a tombstone.
        effects.deleted.update(partition.delete_stale(offset))

    def _fire(self, clock: int, offset: int, effects: Effects) -> None:
        """Fire what is due at `clock`, in order of (deadline_at, journey_id)."""
        partition = self.partition
        touched: dict[str, Row] = {}
        due = partition.take_due()
        for place, (_, journey_id, row) in enumerate(due, start=1):
            if row.offset >= offset:  # a row that a crash left ahead of this punctuation is none of its business
                partition.keep(row)
                continue
            touched[journey_id] = row
            due_until = partition.due_until(row)
            for fact in decide_due(row, due_until):
                self._records.settle(row, fact, clock, offset, effects)
                if isinstance(fact, ExtendedAutomatically) and row.deadline_at <= due_until:
                    # Still due, at a later deadline: it takes its place among those that are left.
                    insort(due, (row.deadline_at, journey_id, row), place)
                    break
        for journey_id, row in touched.items():
            row.offset = offset
            partition.keep(row)
            effects.changed[journey_id] = row
