"""Fills the dashboard's index from a log that keeps its own time: one partition, replayed as it is read."""

from __future__ import annotations

from collections.abc import Iterable

from journeys.agents.dashboard.indexed_partition import IndexedPartition
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import JourneyRecord, Mark, Punctuation
from journeys.streams.partition.entry import EntryFields
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition


class LogIndexer:
    """Replays the records of a partition, and indexes them with what they bring about."""

    def __init__(self, partition: Partition, part: IndexedPartition) -> None:
        self.partition = partition
        self._part = part
        self._processor = Processor(partition, provenance=False)
        part.time_source = partition.time_source

    def take(self, entries: Iterable[EntryFields]) -> None:
        """Take the next records."""
        part, partition = self._part, self.partition
        for entry in entries:
            offset, key, append_time, record, _ = entry
            effects = self._processor.process([entry])
            part.add_effects(effects)
            part.set_clock(partition.clock)
            if isinstance(record, Punctuation):
                if effects.counts.punctuations and partition.clock is not None:
                    part.add_tick(offset, partition.clock)
                    part.ticks_time_source = part.ticks_time_source or partition.time_source
            elif isinstance(record, JourneyRecord):
                if key == record.journey_id.encode():
                    part.add_record(offset, record, append_time)
            elif not isinstance(record, InvalidRecordError | Mark):
                part.add_record(offset, record, append_time)
            part.end = offset + 1
