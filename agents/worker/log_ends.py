"""End offsets of the input partitions, asked of Kafka every few seconds.

A fetch tells them too, but a worker that fetches nothing would go on showing the lag of its last fetch.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Final

from aiokafka.errors import KafkaError

if TYPE_CHECKING:
    from faust.types import TP

    from journeys.agents.worker.ports.worker_ports import Worker

_EVERY_SECONDS: Final = 3.0
_ANSWER_SECONDS: Final = 10.0


class LogEnds:
    """`ends` are those that Kafka told last, by partition."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.ends: dict[TP, int] = {}
        self.unanswered_since: float | None = None
        """Since when Kafka does not answer, by the monotonic clock; None while it does."""

    async def watch(self) -> None:
        """Ask every few seconds, without end."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            await self.ask()

    async def ask(self) -> None:
        """Ask once, for the partitions that this worker has."""
        consumer = self._worker.consumer
        asked_at = monotonic()
        positions = list(consumer.next_position)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                ends = await consumer.highwaters(*positions) if positions else {}
        except (KafkaError, TimeoutError):
            if self.unanswered_since is None:
                self.unanswered_since = asked_at
            return
        self.unanswered_since = None
        self.ends = {tp: end for tp, end in ends.items() if end is not None}

    def lags(self) -> dict[TP, int]:
        """Records behind the next position of each partition whose end is known."""
        lags = {}
        for tp, position in self._worker.consumer.next_position.items():
            known = [end for end in (self.ends.get(tp), self._fetched_end(tp)) if end is not None]
            if known:
                lags[tp] = max(0, max(known) - position)
        return lags

    def _fetched_end(self, tp: TP) -> int | None:
        """End offset as of the last fetch; None before the first, or if the partition was just revoked."""
        try:
            return self._worker.consumer.highwater(tp)
        except Exception:  # aiokafka asserts, or raises IllegalStateError, for what is not assigned
            return None
