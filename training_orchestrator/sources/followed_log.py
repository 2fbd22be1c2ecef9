"""Follows topics without end: after an error it waits and reads on from its positions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import uniform
from typing import Final

from aiokafka.errors import KafkaError

from journeys.agents.kafka.log_reader import LogBatch, RecordsDeletedError, tail
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.schemas.catalog import Catalog
from training_orchestrator.sources.published_outputs import Place

KAFKA_FAULTS: Final = (OperationError, KafkaError, OSError)
_RETRY_SECONDS: Final = (0.5, 1.5)


class FollowedLog:
    """Reads from `positions` by (topic, partition), and moves them behind each batch that `take` has returned from.

    `take` gets each batch; its schemas are in `catalog`. `fault` is the last attempt's error: None once Kafka has
    answered, and before the first attempt.
    """

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        positions: dict[Place, int],
        take: Callable[[LogBatch], None],
        faults: tuple[type[Exception], ...] = KAFKA_FAULTS,
    ) -> None:
        """`faults` are the errors, of Kafka and of `take`, after which reading is tried again."""
        self.positions = positions
        self.fault: Exception | None = None
        self._settings = settings
        self._catalog = catalog
        self._take = take
        self._faults = faults

    async def follow(self, on_fault: Callable[[Exception], None]) -> None:
        """Follow without end; `on_fault` gets each error. Raises RecordsDeletedError: records were deleted unread."""
        while True:
            try:
                await self._read()
            except RecordsDeletedError as error:
                self.fault = error
                raise
            except self._faults as error:
                self.fault = error
                on_fault(error)
                await asyncio.sleep(uniform(*_RETRY_SECONDS))  # noqa: S311  (spreads retries, keeps no secret)

    async def _read(self) -> None:
        topics = sorted({topic for topic, _ in self.positions})
        batches = tail(
            self._settings, topics, catalog=self._catalog, start_offsets=self.positions, on_answer=self._clear_fault
        )
        async for batch in batches:
            self._take(batch)
            self.positions[batch.topic, batch.partition] = batch.records[-1].offset + 1

    def _clear_fault(self) -> None:
        self.fault = None
