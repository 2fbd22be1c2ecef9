"""The processor with the compiled engine: touchpoints and time are the engine's, all else the reference's.

Both have the same state, the engine's; the reference takes a row out and puts it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from journeys.schemas.codec import HEADER_BYTES, Codec
from journeys.schemas.records import Punctuation, Touchpoint
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from journeys.streams.compiled.compiled_partition import CompiledPartition
from journeys.streams.compiled.encoded_messages import EncodedMessages
from journeys.streams.partition.abandonment_tally import DELAY_BOUNDS_MS, Tally
from journeys.streams.partition.changelog import encoded_outputs
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import EntryFields
from journeys.streams.partition.log_entries import log_entries
from journeys.streams.partition.processor import Processor
from journeys.streams.rule.row import Row
from journeys.streams.stored.stored_row import StoredRow


class _Changed(dict[str, Row]):
    """Stands for the changed rows of a batch: what is put here goes to the engine, which has the others, too."""

    def __init__(self, partition: CompiledPartition) -> None:
        super().__init__()
        self._partition = partition

    def __setitem__(self, journey_id: str, row: Row) -> None:
        self._partition.put(row, is_changed=True)


class CompiledProcessor(Processor):
    """Applies batches of the log to one partition's state, most records in the engine."""

    partition: CompiledPartition

    def begin(self) -> Effects:
        """Effects of nothing yet; the engine notes which rows change."""
        return Effects(changed=_Changed(self.partition), booked=Tally())

    def complete(self, effects: Effects) -> Effects:
        """Give the effects of all batches since `begin`, with the rows as they are now."""
        engine = self.partition.engine
        effects.changed = {}
        effects.encoded = {
            JOURNEY_ABANDONMENTS: EncodedMessages(engine.take_abandonments(), tuple),
            JOURNEY_LIFECYCLE: EncodedMessages(engine.take_lifecycle(), tuple),
        }
        effects.stored = EncodedMessages(engine.take_changed(), StoredRow._make)
        effects.forgotten = dict(engine.take_forgotten())
        assert effects.booked is not None
        effects.booked.counted(*engine.take_booked(DELAY_BOUNDS_MS))
        return effects

    def apply_log(self, records: Sequence[Any], codec: Codec, effects: Effects) -> None:
        """Apply records as Kafka gives them, and add to the effects what they bring about."""
        partition, engine = self.partition, self.partition.engine
        counts = effects.counts
        batch = engine.records_of(records)
        index = 0
        while True:
            done = engine.apply(
                batch,
                index,
                partition.applied_offset,
                partition.time_source,
                partition.clock,
                partition.number_of(partition.policy),
                partition.memories(),
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
            if index == len(batch):
                break
            self._process_one(records[index], effects, codec)
            index += 1

    def _process_one(self, record: Any, effects: Effects, codec: Codec) -> None:
        """Let the reference apply a record that the engine left."""
        entry = self._entry(record, codec)
        self.apply([entry], effects)
        encoded = encoded_outputs(effects, codec)
        self.partition.engine.add_abandonments(encoded[JOURNEY_ABANDONMENTS])
        self.partition.engine.add_lifecycle(encoded[JOURNEY_LIFECYCLE])
        assert effects.booked is not None
        effects.booked.abandonments(effects.abandonments)
        effects.abandonments.clear()
        effects.lifecycle.clear()
        if isinstance(entry[3], Touchpoint | Punctuation):
            self.partition.learn_head(record.value[:HEADER_BYTES])

    def _entry(self, record: Any, codec: Codec) -> EntryFields:
        return next(iter(log_entries([record], codec)))

    def _changed(self, row: Row, offset: int, effects: Effects) -> None:
        """Keep a row that changed at a record of its journey; the engine sees to its entry in the index."""
        row.offset = offset
        effects.changed[row.journey_id] = row

    def punctuate(self, at: int, offset: int, effects: Effects) -> None:  # noqa: ARG002  (the engine has them)
        """Move the clock to `at` (ms) unless it is further, fire what is due, and clean up."""
        partition = self.partition
        partition.clock = at if partition.clock is None else max(partition.clock, at)
        partition.engine.punctuate(partition.clock, offset, partition.number_of(partition.policy))
