"""The producer of a load that remembers what Kafka has acknowledged, record by record, to look for it afterwards."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from aiokafka.errors import KafkaError

from journeys.agents.kafka.connection import producer
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.kafka.record_producer import RecordProducer, RecordsNotSentError
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.records import JourneyRecord, Touchpoint
from journeys.schemas.topics import JOURNEY_EVENTS

_MOST_WAITING: Final = 5_000


class RememberingProducer:
    """Sends like RecordProducer; puts the ids of touchpoints that Kafka has acknowledged into `acknowledged`."""

    def __init__(self, acknowledged: set[str], settings: Settings) -> None:
        self._acknowledged = acknowledged
        self._settings = settings
        self._encoder = RecordProducer(settings)
        self._connections = AsyncExitStack()
        self._producer: Any = None
        self._waiting: set[asyncio.Future[Any]] = set()
        self._failure: BaseException | None = None

    async def __aenter__(self) -> Self:
        """Connect. Raises as RecordProducer."""
        await self._connections.enter_async_context(self._encoder)
        self._producer = await self._connections.enter_async_context(producer(self._settings, linger_ms=20))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is under way, unless an error is being raised."""
        try:
            if error is None and self._waiting:
                await asyncio.wait(self._waiting)
        finally:
            await self._connections.__aexit__(kind, error, trace)

    async def send(self, record: JourneyRecord) -> None:
        """Send a record. Raises RecordsNotSentError if an earlier one failed."""
        partition, key, value = self._encoder.encode(record)
        try:
            while len(self._waiting) >= _MOST_WAITING and self._failure is None:
                await asyncio.wait(self._waiting, return_when=asyncio.FIRST_COMPLETED)
            sent = await self._producer.send(JOURNEY_EVENTS, value, key=key, partition=partition)
        except KafkaError as error:
            self._failure = self._failure or error
        if self._failure is not None:
            raise RecordsNotSentError(repr(self._failure))
        self._waiting.add(sent)
        sent.add_done_callback(partial(self._acknowledge, record))

    def _acknowledge(self, record: JourneyRecord, sent: asyncio.Future[Any]) -> None:
        self._waiting.discard(sent)
        error = None if sent.cancelled() else sent.exception()
        if sent.cancelled() or error is not None:
            self._failure = self._failure or error or asyncio.CancelledError()
        elif isinstance(record, Touchpoint):
            self._acknowledged.add(record.touchpoint_id)


async def lost(settings: Settings, acknowledged: set[str]) -> set[str]:
    """Ids that were acknowledged and are not in the log."""
    codec = Codec()
    missing = set(acknowledged)
    async with open_log(settings, JOURNEY_EVENTS, catalog=codec.catalog) as log:
        for number in range(log.partition_count):
            async for batch in log.read_partition(number):
                for record in batch.records:
                    read = codec.decode(record.value)
                    if isinstance(read, Touchpoint):
                        missing.discard(read.touchpoint_id)
    return missing
