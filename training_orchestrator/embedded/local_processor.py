"""What applies the records of a local log: the compiled engine where it is built, else the pure core."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import InputRecord
from journeys.streams.compiled.compiled_processor import CompiledProcessor
from journeys.streams.compiled.engine_choice import Engine
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import EntryFields
from journeys.streams.partition.log_entries import LOG_APPEND_TIME
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import FIRST_PARTITION_COUNT, Partition


class LocalRecord(NamedTuple):
    """A record of the local log: an entry as the processor takes it, with the names by which the engine reads one."""

    offset: int
    key: bytes | None
    timestamp: int | None
    record: InputRecord | InvalidRecordError
    value: bytes | None

    @property
    def timestamp_type(self) -> int:
        """The log's own time, as a broker's."""
        return LOG_APPEND_TIME


class LocalProcessor(CompiledProcessor):
    """The compiled engine over records that come decoded, one at a time.

    What the reference decides stays a record in the effects; only what the engine has encoded is bytes.
    """

    def process(self, entries: Iterable[EntryFields]) -> Effects:
        """Apply LocalRecords in order of their offsets."""
        return self.process_log(list(entries), _CODEC)

    def _process_one(self, record: Any, effects: Effects, codec: Codec) -> None:  # noqa: ARG002  (it comes decoded)
        self.apply([record], effects)


def partition_of(engine: Engine, codec: Codec) -> Partition:
    """The one partition of a file. Without the compiled engine rows are the reference's: records come one at a time."""
    if engine.compiled is None:
        return Partition(0, FIRST_PARTITION_COUNT)
    return engine.partition(0, FIRST_PARTITION_COUNT, codec)


def processor_of(engine: Engine, partition: Partition) -> Processor:
    """Processor of a partition that `partition_of` has made; give it LocalRecords, each by itself."""
    return Processor(partition) if engine.compiled is None else LocalProcessor(partition)


_CODEC: Final = Codec()
