"""CompiledProcessor: applies log records in the compiled engine, which leaves the uncommon ones to the reference.

Both have the same state, the engine's: a `RecordProcessor` takes a row out and puts it back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from journeys.schemas.codec import HEADER_BYTES, Codec
from journeys.schemas.marks import Marks
from journeys.schemas.records import Punctuation, Touchpoint
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from journeys.streams.compiled.compiled_partition import CompiledPartition
from journeys.streams.compiled.encoded_messages import EncodedMessages
from journeys.streams.partition.abandonment_tally import DELAY_BOUNDS_MS, Tally
from journeys.streams.partition.changelog import encoded_outputs
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import EntryFields
from journeys.streams.partition.log_entries import log_entries
from journeys.streams.partition.record_processor import RecordProcessor
from journeys.streams.stored.stored_row import StoredRow

if TYPE_CHECKING:
    from journeys.engine import Records

EntryOf: TypeAlias = Callable[[Any, Codec, Marks], EntryFields]
"""Makes the entry of a record that the engine leaves to the reference."""


def decoded_entry(record: Any, codec: Codec, marks: Marks) -> EntryFields:
    """Entry of a record as Kafka gives it."""
    return next(iter(log_entries([record], codec, marks)))


class CompiledProcessor:
    """Applies batches of the log to one partition's state, most records in the engine."""

    def __init__(self, partition: CompiledPartition, entry_of: EntryOf = decoded_entry) -> None:
        self.partition = partition
        self._entry_of = entry_of
        self._records = RecordProcessor(partition)

    def process_log(self, records: Sequence[Any], codec: Codec) -> Effects:
        """Apply records of the input topic as Kafka gives them, in order of their offsets."""
        effects = self.begin()
        self.apply_log(records, codec, effects)
        return self.complete(effects)

    def begin(self) -> Effects:
        """Effects of nothing yet; the engine notes which rows change."""
        return Effects(tally=Tally())

    def complete(self, effects: Effects) -> Effects:
        """Give the effects of all batches since `begin`, with the rows as they are now."""
        engine = self.partition.engine
        effects.changed = {}  # the engine has them, with the others
        effects.encoded = {
            JOURNEY_ABANDONMENTS: EncodedMessages(engine.take_abandonments(), tuple),
            JOURNEY_LIFECYCLE: EncodedMessages(engine.take_lifecycle(), tuple),
        }
        effects.stored = EncodedMessages(engine.take_changed(), StoredRow._make)
        effects.deleted = dict(engine.take_deleted())
        assert effects.tally is not None
        effects.tally.counted(*engine.take_tally(DELAY_BOUNDS_MS))
        return effects

    def apply_log(self, records: Sequence[Any], codec: Codec, effects: Effects) -> None:
        """Apply records as Kafka gives them, and add to the effects what they bring about."""
        partition, engine = self.partition, self.partition.engine
        counts = effects.counts
        batch = engine.records_of(records)
        index, end = 0, len(batch)
        while True:
            begin = index
            stop = self._read_alike(batch, begin) if partition.marks and begin < end else end
            done = engine.apply(
                batch,
                index,
                stop,
                partition.applied_offset,
                partition.time_source,
                partition.clock,
                partition.number_of(partition.policy),
                partition.memories(),
                partition.unknown_late_until,
            )
            index = done.index
            partition.applied_offset, partition.time_source, partition.clock = (
                done.applied_offset,
                done.time_source,
                done.clock,
            )
            counts.applied += done.applied
            counts.duplicate += done.duplicate
            counts.late += done.late
            counts.skipped += done.skipped
            counts.punctuations += done.punctuations
            if index == end:
                break
            if index < stop or stop == begin:
                self._apply_by_reference(records[index], effects, codec)
                index += 1

    def _read_alike(self, batch: Records, index: int) -> int:
        """Index behind the records that are read like the one at `index`; the same index if that one is skipped."""
        marks, offset = self.partition.marks, batch[index].offset
        if marks.skipped(offset) is not None:
            return index
        self.partition.read_from(offset)
        turn = marks.next_turn(offset)
        return len(batch) if turn is None else batch.index_of(turn)

    def _apply_by_reference(self, record: Any, effects: Effects, codec: Codec) -> None:
        """Apply a record that the engine left."""
        entry = self._entry_of(record, codec, self.partition.marks)
        self._records.apply([entry], effects, self._punctuate)
        encoded = encoded_outputs(effects, codec)
        self.partition.engine.add_abandonments(encoded[JOURNEY_ABANDONMENTS])
        self.partition.engine.add_lifecycle(encoded[JOURNEY_LIFECYCLE])
        assert effects.tally is not None
        effects.tally.abandonments(effects.abandonments)
        effects.abandonments.clear()
        effects.lifecycle.clear()
        if isinstance(entry[3], Touchpoint | Punctuation):
            self.partition.learn_prefix(record.value[:HEADER_BYTES])

    def _punctuate(self, at: int, offset: int, effects: Effects) -> None:  # noqa: ARG002  (the engine has them)
        """Move the clock to `at` (ms) unless it is further, fire what is due, and clean up."""
        partition = self.partition
        partition.clock = at if partition.clock is None else max(partition.clock, at)
        partition.engine.punctuate(partition.clock, offset, partition.number_of(partition.policy))
