"""One worker of the group: the real consumer and agent, with Faust's part done by hand."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from journeys.agents.settings.settings import Settings
from journeys.agents.worker.app import create_app
from journeys.schemas.catalog import Catalog
from journeys.schemas.codec import Codec
from journeys.schemas.records import Punctuation
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from tests.offsets.memory_thread import MemoryLog, MemoryThread

_CODEC = Codec()
_BEGIN = 1_760_000_000_000


class BatchFailedError(Exception):
    """A flush that fails; the real worker ends its process then."""


class RecordingProcessor(Processor):
    """The real one, keeping the offsets that it was given."""

    def __init__(self, partition: Partition) -> None:
        super().__init__(partition)
        self.given: list[int] = []

    def apply(self, entries: Iterable[Any], effects: Effects) -> None:
        """Apply entries."""
        taken = list(entries)
        self.given += [entry[0] for entry in taken]
        super().apply(taken, effects)


class MemoryFlusher:
    """Stores at once, or fails."""

    def __init__(self, logs: Mapping[TP, MemoryLog], topic: str) -> None:
        self.fails = False
        self._logs = logs
        self._topic = topic
        self.processors: dict[int, RecordingProcessor] = {}

    async def flush(self, partition: Partition, effects: Any) -> None:
        """Store what was applied; it must join what is stored without a hole."""
        del effects
        await asyncio.sleep(0)
        if self.fails:
            raise BatchFailedError
        log = self._logs[TP(self._topic, partition.number)]
        given = set(self.processors[partition.number].given)
        lost = [at for at in log.offsets if log.applied_to < at <= partition.applied_offset and at not in given]
        assert not lost, f"applied up to {partition.applied_offset} without {lost}"
        log.applied_to = max(log.applied_to, partition.applied_offset)


class Member:
    """A worker from its start to its end."""

    def __init__(self, logs: Mapping[TP, MemoryLog], folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._logs = logs
        settings = Settings(_env_file=None, data_dir=folder)
        self.app = app = create_app(settings, {"bootstrap_servers": "127.0.0.1:1"}, len(logs), Catalog())
        app.producer = SimpleNamespace(flush=_nothing)
        app.topics.acks_enabled_for = lambda topic: True  # noqa: ARG005  (its signature)
        app.flusher = self.flusher = MemoryFlusher(logs, app.input_topic)
        self.consumer = app.transport.create_consumer(
            callback=_nothing, on_partitions_revoked=self._barrier, on_partitions_assigned=_nothing
        )
        self.consumer.sleep = _nothing  # what it does while no partition is active
        app.consumer = self.consumer
        self.thread = MemoryThread(logs, _value)
        self.consumer._thread = self.thread
        self.delivered: deque[Any] = deque()
        """Messages in the stream's queue."""
        self._drain: asyncio.Task[None] | None = None

    def run(self, work: Any) -> Any:
        """Run a coroutine to its end."""
        return self._loop.run_until_complete(work)

    def fetch(self) -> None:
        """Begin a fetch, as Faust's drain does: one at a time."""
        if self._drain is None or self._drain.done():
            self._drain = self._loop.create_task(self._fetch_once())
        self.run(_turns())

    def bring(self, counts: Mapping[TP, int]) -> None:
        """Let the fetch that waits return, and put into the queue what it brought."""
        if self.thread.is_fetching:
            self.thread.bring(counts)
        self.run(_turns())

    def handle(self) -> None:
        """Let the agent take the next message of the queue. Raises what it raises."""
        message = self.delivered.popleft()
        event = SimpleNamespace(message=message, ack=lambda: self.consumer.ack(message))
        self.run(self.app.journey_agent._handle(event))
        self.run(_turns())

    def let_time_pass(self) -> None:
        """Let what was gathered be due, and the timer find it."""
        agent = self.app.journey_agent
        for gathering in agent._gatherings.values():
            gathering._ends_at = 0.0
        self.run(agent.flush_due())
        self.run(_turns())

    def lose_partitions(self) -> None:
        """Begin a rebalance: what is revoked is everything."""
        self.app.rebalancing = True
        self.run(self.consumer.on_partitions_revoked(set(self.thread.assigned)))
        self.thread.assigned = set()
        self.thread.positions.clear()

    def get_partitions(self, assigned: Iterable[TP]) -> None:
        """End a rebalance: restored, sought, and only then is the input fetched again."""
        self.app.consumer_generation_id += 1
        self.thread.assigned = set(assigned)
        self.thread.positions = {tp: self._logs[tp].committed or 0 for tp in assigned}
        self.consumer._set_active_tps(self.thread.assigned)
        for tp in assigned:
            partition = Partition(tp.partition, len(self._logs))
            partition.applied_offset = self._logs[tp].applied_to
            self.flusher.processors[tp.partition] = RecordingProcessor(partition)
        self.app.store.processors = dict(self.flusher.processors)
        self.run(self.consumer.perform_seek())
        self.app.rebalancing = False

    def end(self) -> None:
        """End in an instant."""
        if self._drain is not None:
            self._drain.cancel()
            self.run(asyncio.gather(self._drain, return_exceptions=True))

    async def _fetch_once(self) -> None:
        async for _, message in self.consumer.getmany(timeout=1.0):
            self.delivered.append(message)

    async def _barrier(self, revoked: set[TP]) -> None:
        del revoked
        await self.app.journey_agent.barrier()


async def _nothing(*arguments: Any, **named: Any) -> None:
    del arguments, named


async def _turns() -> None:
    """Let every task that can go on do so."""
    for _ in range(12):
        await asyncio.sleep(0)


def _value(offset: int) -> bytes:
    return _CODEC.encode(Punctuation(_BEGIN + offset, "simulated"))
