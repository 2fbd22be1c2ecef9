"""The agent: applies batches of the input topic, one at a time, each from its next offset on."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from faust.types import TP

from agents.batch_transport import Batch
from agents.log_entries import log_entries
from agents.worker_exit import WorkerExit, end_now
from schemas.codec import Codec
from streams.effects import Counts

if TYPE_CHECKING:
    from agents.app import JourneyApp

log = logging.getLogger("journeys.agent")


class JourneyAgent:
    """Handles one message of the batch transport after the other, under a lock that the rebalance barrier takes too."""

    def __init__(self, app: JourneyApp) -> None:
        self._app = app
        self.codec: Codec = app.codec
        self.lock = asyncio.Lock()
        self.counts = Counts()
        self.batches_dropped = 0
        self._reported = Counts()

    async def run(self, stream: Any) -> None:
        """Consume the stream for ever; any error ends the process, for Faust would restart the agent in silence."""
        async for event in stream.noack().events():
            try:
                async with self.lock:
                    if not self._app.should_stop:
                        await self._handle(event)
            except asyncio.CancelledError:
                if self._app.should_stop:
                    raise
                end_now(WorkerExit.FAILED, "the agent was cancelled")
            except BaseException as error:
                log.exception("batch")
                end_now(WorkerExit.FAILED, f"a batch failed: {error!r}")

    async def barrier(self) -> None:
        """Wait for the batch in flight and commit it: called while partitions are being revoked, and to stop."""
        async with self.lock:
            await self._app.consumer.commit_positions()

    async def report(self) -> None:
        """Say what became of the records since the last report; a Faust timer calls this."""
        if self.counts != self._reported:
            self._reported = replace(self.counts)
            said = ", ".join(f"{name} {count}" for name, count in asdict(self.counts).items() if count)
            log.info("records so far: %s", said)

    async def _handle(self, event: Any) -> None:
        message = event.message
        batch: Batch = message.value
        tp = TP(message.topic, message.partition)
        if not await self._is_next(tp, batch, message.generation_id):
            self.batches_dropped += 1
            return
        if self._app.registry is not None:
            await self._app.registry.learn_from(record.value for record in batch)
        processor = self._app.store.processors[tp.partition]
        effects = processor.process(log_entries(batch, self.codec))
        await self._app.flusher.flush(processor.partition, effects)
        self.counts.add(effects.counts)
        self._app.consumer.next_position[tp] = batch[-1].offset + 1
        event.ack()

    async def _is_next(self, tp: TP, batch: Batch, generation_id: int) -> bool:
        """Whether the batch holds the record to be applied next; if records were left out, fetch them again."""
        consumer = self._app.consumer
        if generation_id != self._app.consumer_generation_id or self._app.rebalancing:
            return False
        position = consumer.next_position.get(tp)
        if position is None or batch[-1].offset < position:
            return False
        if batch[0].offset <= position or not consumer.is_gap(tp, batch):
            return True
        if not consumer.sought_since(tp, batch):
            log.info("%s[%d]: expected offset %d, got %d; seeking back", *tp, position, batch[0].offset)
            await consumer.seek_back(tp)
        return False
