"""The simulated worker as it is without the compiled engine: touchpoints go by columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from journeys.streams.columnar_partition import ColumnarPartition
from journeys.streams.columnar_processor import ColumnarProcessor
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from tests.fixtures.wire_record import on_the_wire
from tests.properties.draft import COUNT, NUMBER
from tests.simulation.worker import CODEC, Worker


class _Processor(ColumnarProcessor):
    """Takes the entries of the simulated transport: on the wire again, as a consumer gives them."""

    fewest = fewest_at_once = 1
    _given: dict[int, Entry] | None = None
    """What is applied now. What goes to the reference is taken from here: a dead letter's value was never encoded."""

    def apply(self, entries: Iterable[Any], effects: Effects) -> None:
        if self._given is not None:
            super().apply([self._given[entry[0]] for entry in entries], effects)
            return
        self._given = {entry[0]: Entry(*entry) for entry in entries}
        self.apply_log([on_the_wire(entry, CODEC) for entry in self._given.values()], CODEC, effects)
        self._given = None


class ColumnWorker(Worker):
    """One life of a worker that applies touchpoints by columns."""

    def new_partition(self) -> Partition:
        """Partition whose rows are columns."""
        return ColumnarPartition(NUMBER, COUNT, CODEC)

    def processor(self) -> Processor:
        """Processor for the restored partition."""
        assert isinstance(self.partition, ColumnarPartition)
        return _Processor(self.partition)
