"""The simulated worker with the compiled engine."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from journeys.streams.compiled.compiled_partition import CompiledPartition, compiled_partition
from journeys.streams.compiled.compiled_processor import CompiledProcessor
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.protocols import JourneyPartition
from tests.fixtures.wire_record import on_the_wire
from tests.properties.draft import COUNT, NUMBER
from tests.simulation.worker import CODEC, EntryProcessor, Worker

IS_BUILT = find_spec("journeys.engine") is not None


class _Processor:
    """Takes the entries of the simulated transport: on the wire again, as a consumer gives them.

    What the engine leaves is taken from the entries: a dead letter shows its value, which was never encoded here.
    """

    def __init__(self, partition: CompiledPartition) -> None:
        self._given: dict[int, Entry] = {}
        self._processor = CompiledProcessor(partition, lambda record, _codec, _marks: self._given[record.offset])
        self.begin = self._processor.begin
        self.complete = self._processor.complete

    def apply(self, entries: Iterable[Any], effects: Effects) -> None:
        """Apply entries, and add to the effects what they bring about."""
        self._given = {entry[0]: Entry(*entry) for entry in entries}
        self._processor.apply_log([on_the_wire(entry, CODEC) for entry in self._given.values()], CODEC, effects)


class CompiledWorker(Worker):
    """One life of a worker whose rows and deadlines are the engine's."""

    def new_partition(self) -> JourneyPartition:
        """Partition of an engine."""
        from journeys.engine import Engine  # noqa: PLC0415  (it may not be built)

        return compiled_partition(Engine, NUMBER, COUNT, CODEC)

    def processor(self) -> EntryProcessor:
        """Processor for the restored partition."""
        assert isinstance(self.partition, CompiledPartition)
        return _Processor(self.partition)
