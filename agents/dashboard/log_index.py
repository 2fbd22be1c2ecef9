"""Makes the dashboard's index of a log that keeps its own time: one partition, replayed once."""

from __future__ import annotations

from collections.abc import Iterable

from journeys.agents.dashboard.journey_index import JourneyIndex
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import Punctuation
from journeys.streams.partition.entry import EntryFields
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition


def index_log(entries: Iterable[EntryFields], partition: Partition, index: JourneyIndex) -> None:
    """Replay entries through a partition, and index them with what they bring about."""
    index.time_source = partition.time_source
    processor = Processor(partition, provenance=False)
    for entry in entries:
        offset, _, append_time, record, value = entry
        effects = processor.process([entry])
        index.add_effects(effects)
        index.set_clock(partition.clock)
        if isinstance(record, Punctuation):
            if effects.counts.punctuations and partition.clock is not None:
                index.add_tick(offset, partition.clock)
                index.ticks_time_source = index.ticks_time_source or partition.time_source
        elif not isinstance(record, InvalidRecordError):
            index.add_record(offset, record, append_time, value)
