"""The simulated worker with the compiled engine."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from journeys.streams.compiled.compiled_partition import CompiledPartition, compiled_partition
from journeys.streams.compiled.compiled_processor import CompiledProcessor
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from tests.fixtures.wire_record import on_the_wire
from tests.properties.draft import COUNT, NUMBER
from tests.simulation.worker import CODEC, Worker

IS_BUILT = find_spec("journeys.engine") is not None


class _Processor(CompiledProcessor):
    """Takes the entries of the simulated transport: on the wire again, as a consumer gives them."""

    _left: Entry | None = None
    """What the engine has left to the reference. A dead letter shows its value, which was never encoded here."""

    def apply(self, entries: Iterable[Any], effects: Effects) -> None:
        if self._left is not None:
            entry, self._left = self._left, None
            super().apply([entry], effects)
            return
        self._given = {entry[0]: Entry(*entry) for entry in entries}
        self.apply_log([on_the_wire(entry, CODEC) for entry in self._given.values()], CODEC, effects)

    def _entry(self, record: Any, codec: object) -> Entry:  # noqa: ARG002  (the signature of what it stands for)
        self._left = self._given[record.offset]
        return self._left


class CompiledWorker(Worker):
    """One life of a worker whose rows and deadlines are the engine's."""

    def new_partition(self) -> Partition:
        """Partition of an engine."""
        from journeys.engine import Engine  # noqa: PLC0415  (it may not be built)

        return compiled_partition(Engine, NUMBER, COUNT, CODEC)

    def processor(self) -> Processor:
        """Processor for the restored partition."""
        assert isinstance(self.partition, CompiledPartition)
        return _Processor(self.partition)
