"""The simulated worker with the compiled engine."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from streams.compiled_partition import CompiledPartition, compiled_partition
from streams.compiled_processor import CompiledProcessor
from streams.effects import Effects
from streams.entry import Entry
from streams.partition import Partition
from streams.processor import Processor
from tests.properties.draft import COUNT, NUMBER
from tests.simulation.worker import CODEC, Worker
from tests.wire_record import on_the_wire

IS_BUILT = find_spec("journeys_engine") is not None


class _Processor(CompiledProcessor):
    """Takes the entries of the simulated transport: on the wire again, as a consumer gives them."""

    def process(self, entries: Iterable[Any]) -> Effects:
        self._given = {entry[0]: Entry(*entry) for entry in entries}
        return self.process_log([on_the_wire(entry, CODEC) for entry in self._given.values()], CODEC)

    def _entry(self, record: Any, codec: object) -> Entry:  # noqa: ARG002  (the signature of what it stands for)
        return self._given[record.offset]  # a dead letter shows the value, which was never encoded here


class CompiledWorker(Worker):
    """One life of a worker whose rows and deadlines are the engine's."""

    def new_partition(self) -> Partition:
        """Partition of an engine."""
        from journeys_engine import Engine  # noqa: PLC0415  (it may not be built)

        return compiled_partition(Engine, NUMBER, COUNT, CODEC)

    def processor(self) -> Processor:
        """Processor for the restored partition."""
        assert isinstance(self.partition, CompiledPartition)
        return _Processor(self.partition)
