"""Processor of a local log's records: the compiled engine where it is built, else the reference."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import InputRecord
from journeys.streams.compiled.compiled_partition import CompiledPartition, compiled_partition
from journeys.streams.compiled.compiled_processor import CompiledProcessor
from journeys.streams.compiled.engine_choice import Engine
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import EntryFields
from journeys.streams.partition.log_entries import LOG_APPEND_TIME
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.protocols import JourneyPartition
from journeys.streams.partition.state import FIRST_PARTITION_COUNT, Partition


class LocalRecord(NamedTuple):
    """A record of the local log: the processor's entry (EntryFields), with the field names that the engine reads."""

    offset: int
    key: bytes | None
    timestamp: int | None
    record: InputRecord | InvalidRecordError
    value: bytes | None

    @property
    def timestamp_type(self) -> int:
        """Kafka's constant for append times, which the timestamps of a local log are."""
        return LOG_APPEND_TIME


class LocalProcessor(Protocol):
    """A processor with the partition that it changes."""

    @property
    def partition(self) -> JourneyPartition:
        """State that the records are applied to."""
        ...

    def process(self, entries: Iterable[EntryFields]) -> Effects:
        """Apply LocalRecords in order of their offsets."""
        ...


class _CompiledLocalProcessor:
    """The compiled engine over decoded records."""

    def __init__(self, partition: CompiledPartition, codec: Codec) -> None:
        self.partition = partition
        self._codec = codec
        self._processor = CompiledProcessor(partition, lambda record, _codec, _marks: record)

    def process(self, entries: Iterable[EntryFields]) -> Effects:
        """Apply LocalRecords in order of their offsets."""
        return self._processor.process_log(list(entries), self._codec)


def local_processor(engine: Engine, codec: Codec) -> LocalProcessor:
    """Processor of an empty partition 0; pass it LocalRecords, one in each call."""
    if engine.compiled is None:
        return Processor(Partition(0, FIRST_PARTITION_COUNT))
    return _CompiledLocalProcessor(compiled_partition(engine.compiled, 0, FIRST_PARTITION_COUNT, codec), codec)
