"""TouchpointProducer: touchpoints into Kafka, checked at the door, for producer teams that write Python.

    async with TouchpointProducer() as producer:
        await producer.send("journey-123", state="AWARE", cost="1.25", touchpoint_id="click-77")
        await producer.flush()

`with`, `send_blocking` and `flush_blocking` do the same for programs that are not async. Other languages:
docs/producer.md.
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
    """Idempotent, in batches, keyed and partitioned by journey as Java's default does (murmur2).

    `send` waits while too much is under way, and never drops. What `flush` has returned for is in the topic once.
    """

    def __init__(self, bootstrap_servers: str | None = None) -> None:
        """Without servers those of the settings (JOURNEYS_BOOTSTRAP_SERVERS); TLS and users come from there, too."""
        self._settings = given_settings(bootstrap_servers)
        self._producer: RecordProducer | None = None
        self._loop_thread: LoopThread | None = None

    @property
    def sent(self) -> int:
        """Touchpoints given."""
        return self._opened().sent

    @property
    def acknowledged(self) -> int:
        """Touchpoints that are in the topic on all replicas."""
        return self._opened().acknowledged

    async def send(self, journey_id: str, **said: Unpack[TouchpointFields]) -> None:
        """Give a touchpoint; `said` are the fields of TrainerTouchpoint.

        Raises InvalidRecordError naming the field (nothing is sent then), AnswerOutstandingError where an earlier one
        was not acknowledged: say those again with their touchpoint_ids, with a new producer.
        """
        record = TrainerTouchpoint(journey_id, **said).record(now_ms())
        async with self._answered():
            await self._opened().send(record)

    async def flush(self) -> None:
        """Wait until all that was given is acknowledged. Raises AnswerOutstandingError."""
        async with self._answered():
            await self._opened().flush()

    def send_blocking(self, journey_id: str, **said: Unpack[TouchpointFields]) -> None:
        """The same as `send` for programs that are not async."""
        self._thread().run(self.send(journey_id, **said))

    def flush_blocking(self) -> None:
        """The same as `flush` for programs that are not async."""
        self._thread().run(self.flush())

    async def __aenter__(self) -> Self:
        """Connect. Raises StoreUnavailableError."""
        async with self._answered():
            self._producer = await RecordProducer(self._settings).__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush unless an error is under way, and disconnect. Raises AnswerOutstandingError."""
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
        """Flush unless an error is under way, and disconnect. Raises AnswerOutstandingError."""
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
