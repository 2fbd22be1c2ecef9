"""The agent: applies batches of the input topic, each from its partition's next offset on.

While more input is waiting, batches are gathered. A partition's next batch is applied only when its flush is
acknowledged, because the effects to be flushed refer to live rows. Meanwhile batches of other partitions are applied;
a partition whose flush waits for a broker is held: its input is not fetched, and keeps no other from being applied.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from faust.types import TP

from journeys.agents.worker.gathering import Gathering
from journeys.agents.worker.ports.batch import Batch
from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now
from journeys.schemas.codec import Codec
from journeys.schemas.marks import marks_among
from journeys.streams.partition.abandonment_tally import Tally
from journeys.streams.partition.effects import Counts
from journeys.streams.rule.clock import UnknownRuleVersionError

if TYPE_CHECKING:
    from journeys.agents.worker.mark_keeper import MarkKeeper
    from journeys.agents.worker.ports.worker_ports import MemoryGate, Worker
    from journeys.agents.worker.schema_decisions import SchemaDecisions
    from journeys.streams.partition.protocols import JourneyPartition

log = logging.getLogger("journeys.agent")
# Many times what a flush takes where all brokers are there.
_PATIENCE_SECONDS = 1.0


class JourneyAgent:
    """Handles messages of the batch transport, under a lock that the rebalance barrier takes, too."""

    def __init__(
        self,
        worker: Worker,
        codec: Codec,
        marks: MarkKeeper,
        schemas: SchemaDecisions,
        memory: MemoryGate,
        gather_seconds: float,
    ) -> None:
        self._worker = worker
        self._marks = marks
        self.schemas = schemas
        self._memory = memory
        self._gather_seconds = gather_seconds
        self.codec = codec
        self.lock = asyncio.Lock()
        self.counts = Counts()
        self.tally = Tally()
        """Sums over the abandonments that Kafka has acknowledged."""
        self.journeys_deleted = 0
        self.batches_dropped = 0
        self.flushing_since: dict[TP, float] = {}
        """Start of each running flush, by the monotonic clock."""
        self._reported = Counts()
        self._flushes: dict[TP, asyncio.Task[None]] = {}
        self._gatherings: dict[TP, Gathering] = {}

    async def run(self, stream: Any) -> None:
        """Consume the stream without end. Any error ends the process: Faust would restart the agent silently."""
        async for event in stream.noack().events():
            with self._ends_the_process():
                await self._memory.wait_for_room()
                async with self.lock:
                    if not self._worker.should_stop:
                        await self._handle(event)

    async def barrier(self) -> None:
        """Flush and commit all that was gathered: called when partitions are revoked, and to stop."""
        async with self.lock:
            self.schemas.stop()
            self._marks.forget()
            for tp in list(self._gatherings):
                self._begin_flush(tp)
            await asyncio.gather(*self._flushes.values())
            self._flushes.clear()
            await self._worker.consumer.commit_positions()

    async def flush_due(self) -> None:
        """Flush gatherings that are due, also if no further batch comes; called by a Faust timer."""
        async with self.lock:
            for tp in [tp for tp, gathering in self._gatherings.items() if gathering.is_due]:
                self._begin_flush(tp)

    async def report(self) -> None:
        """Log the counts of records by outcome, if they have changed; called by a Faust timer."""
        if self.counts != self._reported:
            self._reported = replace(self.counts)
            counts = ", ".join(f"{name} {count}" for name, count in asdict(self.counts).items() if count)
            log.info("records so far: %s", counts)

    async def _handle(self, event: Any) -> None:
        message = event.message
        batch: Batch = message.value
        tp = TP(message.topic, message.partition)
        if tp in self.schemas.waiting:
            self.batches_dropped += 1
            return
        flush = self._flushes.get(tp)
        if flush is not None and not await self._ends_soon(tp, flush):
            self.batches_dropped += 1
            return
        gathering = self._gatherings.get(tp)
        if gathering is not None and not gathering.is_followed_by(batch, message.generation_id):
            await self._begin_flush(tp)
            gathering = None
        if gathering is None:
            if not self._is_next(tp, batch, message.generation_id):
                self.batches_dropped += 1
                return
            gathering = Gathering(self._worker.store.processors[tp.partition], self._gather_seconds)
        if not self._is_readable(tp, gathering.partition, batch):
            return
        gathering.apply(event, self.codec)
        self._gatherings[tp] = gathering
        if gathering.is_due:
            self._begin_flush(tp)
        await asyncio.sleep(0)  # so that a flush has been sent before the next batch occupies the loop

    def _is_readable(self, tp: TP, partition: JourneyPartition, batch: Batch) -> bool:
        """Whether the log says how to read all of a batch; if not, its partition waits, and the batch is dropped."""
        self._marks.take(partition, marks_among(batch.records))
        undecided = self.schemas.undecided(partition, batch)
        if not undecided:
            self.schemas.look_again(tp, partition, batch)
            return True
        if tp in self._gatherings:
            self._begin_flush(tp)
        self.schemas.begin(tp, undecided)
        self.batches_dropped += 1
        return False

    async def _ends_soon(self, tp: TP, flush: asyncio.Task[None]) -> bool:
        """Wait for a flush, but not for long: while a broker is away those of other brokers' partitions go on.

        What is dropped meanwhile is fetched again when the flush has ended.
        """
        if not self._worker.consumer.is_held(tp):
            patience = self.flushing_since.get(tp, 0.0) + _PATIENCE_SECONDS - monotonic()
            await asyncio.wait({flush}, timeout=max(0.0, patience))
            if not flush.done():
                self._worker.consumer.hold(tp)
                flush.add_done_callback(lambda _: self._worker.consumer.let_go(tp))
        return flush.done()

    def _begin_flush(self, tp: TP) -> asyncio.Task[None]:
        gathering = self._gatherings.pop(tp)
        self._flushes[tp] = flush = asyncio.create_task(self._flush(tp, gathering))
        return flush

    async def _flush(self, tp: TP, gathering: Gathering) -> None:
        with self._ends_the_process():
            self.flushing_since[tp] = monotonic()
            effects = gathering.complete()
            await self._worker.flusher.flush(gathering.partition, effects)
            del self.flushing_since[tp]
            self.counts.add(effects.counts)
            self.tally.abandonments(effects.abandonments)
            if effects.tally is not None:
                self.tally.add(effects.tally)
            self.journeys_deleted += len(effects.deleted)
            self._worker.consumer.next_position[tp] = gathering.position
            for event in gathering.events:
                event.ack()

    @contextmanager
    def _ends_the_process(self) -> Iterator[None]:
        """End the process on any error: Faust would catch a raised one and go on."""
        try:
            yield
        except asyncio.CancelledError:
            if self._worker.should_stop:
                raise
            end_now(WorkerExit.FAILED, "the agent was cancelled")
        except UnknownRuleVersionError as error:
            end_now(WorkerExit.SETUP, str(error))
        except BaseException as error:
            log.exception("batch")
            end_now(WorkerExit.FAILED, f"a batch failed: {error!r}")

    def _is_next(self, tp: TP, batch: Batch, generation_id: int) -> bool:
        """Whether the batch holds the next record to apply; if records before it are missing, seek back to them."""
        consumer = self._worker.consumer
        if generation_id != self._worker.consumer_generation_id or self._worker.rebalancing:
            return False
        position = consumer.next_position.get(tp)
        if position is None or batch.last_offset < position:
            return False
        if batch.first_offset <= position or not consumer.is_gap(tp, batch):
            return True
        if not consumer.has_sought_since(tp, batch):
            log.info("%s[%d]: expected offset %d, got %d; seeking back", *tp, position, batch.first_offset)
            consumer.seek_back(tp)
        return False
