"""TouchpointProducer: validates touchpoints and appends them to Kafka, for producer teams that write Python.

    async with TouchpointProducer() as producer:
        await producer.send("journey-123", state="AWARE", cost="1.25", touchpoint_id="click-77")
        await producer.flush()

`with`, `send_blocking` and `flush_blocking` are the same for blocking programs. Other languages: docs/producer.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self, Unpack

from journeys.agents.settings.operation_error import OperationError
from journeys.clock import now_ms
from training_orchestrator.api.answers import AnswerOutstandingError, NotStartedError, StoreUnavailableError
from training_orchestrator.api.extras import needs
from training_orchestrator.api.touchpoint import TouchpointFields, TrainerTouchpoint
from training_orchestrator.runtime.loop_thread import LoopThread
from training_orchestrator.sources.given_settings import given_settings

with needs("trainer", "TouchpointProducer"):
    from aiokafka.errors import KafkaError

    from journeys.agents.kafka.record_producer import RecordProducer, RecordsNotSentError


class TouchpointProducer:
    """Idempotent producer, in batches; key and partition (murmur2, Java's default) are those of the journey.

    `send` waits while too much is in flight, and never drops a touchpoint. After `flush` all are in the topic, once.
    """

    def __init__(self, bootstrap_servers: str | None = None) -> None:
        """Without `bootstrap_servers` those of the settings (JOURNEYS_BOOTSTRAP_SERVERS), as TLS and users are."""
        self._settings = given_settings(bootstrap_servers)
        self._producer: RecordProducer | None = None
        self._loop_thread: LoopThread | None = None

    @property
    def sent(self) -> int:
        """Number of touchpoints passed to `send`."""
        return self._opened().sent

    @property
    def acknowledged(self) -> int:
        """Number of touchpoints that are in the topic, on all replicas."""
        return self._opened().acknowledged

    async def send(self, journey_id: str, **fields: Unpack[TouchpointFields]) -> None:
        """Send a touchpoint; `fields` are those of TrainerTouchpoint.

        Raises InvalidRecordError, with the field, and does not send it. Raises AnswerOutstandingError if earlier ones
        were not acknowledged: send those again, with the same touchpoint_ids, by a new producer.
        """
        record = TrainerTouchpoint(journey_id, **fields).record(now_ms())
        async with self._answered():
            await self._opened().send(record)

    async def flush(self) -> None:
        """Wait until all touchpoints are acknowledged. Raises AnswerOutstandingError."""
        async with self._answered():
            await self._opened().flush()

    def send_blocking(self, journey_id: str, **fields: Unpack[TouchpointFields]) -> None:
        """`send` for blocking programs."""
        self._thread().run(self.send(journey_id, **fields))

    def flush_blocking(self) -> None:
        """`flush` for blocking programs."""
        self._thread().run(self.flush())

    async def __aenter__(self) -> Self:
        """Connect. Raises StoreUnavailableError."""
        async with self._answered():
            self._producer = await RecordProducer(self._settings).__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush unless an error is being raised, and disconnect. Raises AnswerOutstandingError."""
        async with self._answered():
            await self._opened().__aexit__(kind, error, trace)

    def __enter__(self) -> Self:
        """Connect, on a thread of its own. Raises StoreUnavailableError."""
        self._loop_thread = LoopThread()
        try:
            return self._loop_thread.run(self.__aenter__())
        except BaseException:
            self._loop_thread.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush unless an error is being raised, and disconnect. Raises AnswerOutstandingError."""
        thread = self._thread()
        try:
            thread.run(self.__aexit__(kind, error, trace))
        finally:
            thread.close()

    def _opened(self) -> RecordProducer:
        if self._producer is None:
            raise NotStartedError("open the producer first: `with producer:` or `async with producer:`")
        return self._producer

    def _thread(self) -> LoopThread:
        if self._loop_thread is None:
            raise NotStartedError("open the producer first, with `with producer:`")
        return self._loop_thread

    @asynccontextmanager
    async def _answered(self) -> AsyncIterator[None]:
        try:
            yield
        except RecordsNotSentError as error:
            raise AnswerOutstandingError(str(error)) from error
        except (OperationError, KafkaError) as error:
            raise StoreUnavailableError(str(error)) from error
