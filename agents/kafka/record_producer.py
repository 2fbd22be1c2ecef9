"""Produces records to the input topic: by journey, or to explicit partitions."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeAlias

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    KafkaTimeoutError,
    TopicAuthorizationFailedError,
)

from journeys.agents.kafka.connection import KafkaRequestError, missing_rights, producer
from journeys.agents.kafka.missing_rights import MissingRightsError
from journeys.agents.kafka.rights import Right
from journeys.agents.kafka.schema_registry import own_catalog
from journeys.agents.kafka.topic_setup import partition_count
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec, check_frame
from journeys.schemas.partitioner import partition_of
from journeys.schemas.records import InputRecord, JourneyRecord
from journeys.schemas.topics import JOURNEY_EVENTS, MAX_MESSAGE_BYTES
from journeys.schemas.validation import check_input
from journeys.streams.partition.log_entries import LOG_APPEND_TIME

_BATCH_BYTES: Final = 256 * 1024
_LINGER_SECONDS: Final = 0.02
_KNOWN_JOURNEYS: Final = 100_000
Headers: TypeAlias = Sequence[tuple[str, bytes]]


class RecordsNotSentError(OperationError):
    """Records were not acknowledged; they may or may not be in the log."""


class EncodedRecord(NamedTuple):
    """A valid record, ready to be appended. Made by RecordProducer.encode, which validates."""

    partition: int
    key: bytes | None
    value: bytes


class _Batch(NamedTuple):
    """A batch that is being filled, and whether its records are in the log, once that is known."""

    builder: Any
    is_in_log: asyncio.Future[bool]


class RecordProducer:
    """An idempotent producer of `journey-events` with acks of all replicas; its context manager's exit flushes.

    `sent` counts the records passed to it, `acknowledged` those that are in the log.
    For each partition at most one batch is being filled, one waits and one is in flight.
    """

    def __init__(self, settings: Settings, codec: Codec | None = None, *, is_patient: bool = False) -> None:
        """Without a codec, one is made from the settings (ids of the schema registry, or fingerprints).

        A patient producer waits for Kafka for as long as it is away; others give up after 40 seconds.
        """
        self.sent = 0
        self.acknowledged = 0
        self.partition_count = 0
        self.append_time: int | None = None
        """When the broker appended the batch that was acknowledged last (ms); None where it does not say."""
        self._settings = settings
        self._codec = codec
        self._is_patient = is_patient
        self._connections = AsyncExitStack()
        self._producer: Any = None
        self._filling: dict[int, _Batch] = {}
        self._partition_locks: list[asyncio.Lock] = []
        self._in_flight: set[asyncio.Future[Any]] = set()
        self._failure: BaseException | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._lingering: asyncio.Task[None] | None = None
        self._partition_of = lru_cache(_KNOWN_JOURNEYS)(self._compute_partition)

    async def __aenter__(self) -> Self:
        """Connect. Raises UnknownTopicError, MissingRightsError, KafkaUnreachableError, and as `own_catalog`."""
        if self._codec is None:
            self._codec = Codec(await own_catalog(self._settings))
        count = self.partition_count = await partition_count(self._settings, JOURNEY_EVENTS, "Write")
        self._partition_locks = [asyncio.Lock() for _ in range(count)]
        opened = producer(self._settings, max_batch_size=_BATCH_BYTES, max_request_size=MAX_MESSAGE_BYTES)
        try:
            self._producer = await self._connections.enter_async_context(opened)
        except KafkaRequestError as error:
            if isinstance(error.__cause__, ClusterAuthorizationFailedError):
                # Kafka refuses an idempotent producer that may not write to any topic.
                right = Right("Write", "topic", self._settings.topic(JOURNEY_EVENTS))
                raise MissingRightsError(self._settings, [right]) from error
            raise
        if self._is_patient:
            # Else a batch that is older than a request may take is given up while its partition has no leader.
            self._producer._message_accumulator._batch_ttl = math.inf
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush unless an error is being raised, and disconnect. Raises RecordsNotSentError."""
        try:
            if error is None:
                await self.flush()
        finally:
            self._stop_linger()
            await self._connections.__aexit__(kind, error, trace)

    @property
    def has_failed(self) -> bool:
        """Whether a send has failed; the producer then sends nothing more."""
        return self._failure is not None

    async def send(self, record: JourneyRecord, headers: Headers = ()) -> None:
        """Send a record, with Kafka headers, to the partition of its journey; waits while too much is in flight.

        Raises InvalidRecordError for a record that would become a dead letter, RecordsNotSentError if an earlier send
        failed.
        """
        await self.append(self.encode(record), headers)

    def encode(self, record: JourneyRecord) -> EncodedRecord:
        """Validate a record and encode it for the partition of its journey. Raises InvalidRecordError."""
        value = self._valid_bytes(record)
        return EncodedRecord(self._partition_of(record.journey_id), record.journey_id.encode(), value)

    def encode_value(self, record: InputRecord) -> bytes:
        """Validate a record without a journey and encode it, for any partition. Raises InvalidRecordError."""
        return self._valid_bytes(record)

    async def append(self, encoded: EncodedRecord, headers: Headers = ()) -> asyncio.Future[bool]:
        """Send what `encode` made; raises RecordsNotSentError if an earlier send failed.

        The future, which many records share, says whether the record is in the log, on all replicas.
        """
        self._check()
        partition, key, value = encoded
        while (is_in_log := self._put(partition, key, value, headers)) is None:
            await self._submit(partition)
        self.sent += 1
        if self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._end_linger)
        return is_in_log

    async def send_to_partition(self, record: InputRecord, partition: int) -> None:
        """Send a record without a journey to an explicit partition; raises as `send`."""
        await self.append(EncodedRecord(partition, None, self._valid_bytes(record)))

    async def send_to_all(self, record: InputRecord) -> None:
        """Send a record without a journey to every partition; raises as `send`."""
        value = self._valid_bytes(record)
        for partition in range(self.partition_count):
            await self.append(EncodedRecord(partition, None, value))

    async def flush(self) -> None:
        """Wait until all records are acknowledged. Raises RecordsNotSentError."""
        for partition in list(self._filling):
            await self._submit(partition)
        while self._in_flight:
            await asyncio.wait(self._in_flight)
        self._check()

    def _compute_partition(self, journey_id: str) -> int:
        return partition_of(journey_id.encode(), self.partition_count)

    def _valid_bytes(self, record: InputRecord) -> bytes:
        """Wire bytes of a record; the only place that makes them, so that none is sent without validation."""
        assert self._codec is not None
        check_input(record)
        value = self._codec.encode(record)
        check_frame(value)
        return value

    def _put(self, partition: int, key: bytes | None, value: bytes, headers: Headers) -> asyncio.Future[bool] | None:
        """Put a record into the batch that is being filled; None if it has no room."""
        batch = self._filling.get(partition)
        if batch is None:
            is_in_log = asyncio.get_running_loop().create_future()
            batch = self._filling[partition] = _Batch(self._producer.create_batch(), is_in_log)
        has_room = batch.builder.append(timestamp=None, key=key, value=value, headers=list(headers)) is not None
        return batch.is_in_log if has_room else None

    async def _submit(self, partition: int) -> None:
        """Pass the batch being filled to aiokafka; waits until the one before it is in flight."""
        batch = self._filling.pop(partition, None)
        if batch is None:
            return
        # Locks are fair: batches go in the order in which they were taken out.
        async with self._partition_locks[partition]:
            try:
                self._check()
                acknowledgement = await self._passed_on(batch.builder, partition)
            except BaseException as error:
                batch.is_in_log.set_result(False)
                if isinstance(error, KafkaError):
                    self._failure = error
                    self._check()
                raise
        self._in_flight.add(acknowledgement)
        acknowledgement.add_done_callback(lambda done: self._acknowledge(done, batch))

    async def _passed_on(self, builder: Any, partition: int) -> asyncio.Future[Any]:
        """What aiokafka gives for a batch: a future that ends with its acknowledgement. Raises KafkaError."""
        while True:
            try:
                taken: asyncio.Future[Any] = await self._producer.send_batch(
                    builder, self._settings.topic(JOURNEY_EVENTS), partition=partition
                )
            except KafkaTimeoutError:  # the one before it is still waiting, and so this one was not taken
                if not self._is_patient:
                    raise
            else:
                return taken

    def _acknowledge(self, done: asyncio.Future[Any], batch: _Batch) -> None:
        self._in_flight.discard(done)
        if done.cancelled():
            self._failure = self._failure or asyncio.CancelledError()
        elif error := done.exception():
            self._failure = self._failure or error
        else:
            self.acknowledged += batch.builder.record_count()
            appended = done.result()
            self.append_time = appended.timestamp if appended.timestamp_type == LOG_APPEND_TIME else None
        batch.is_in_log.set_result(not done.cancelled() and done.exception() is None)

    def _check(self) -> None:
        if isinstance(self._failure, TopicAuthorizationFailedError):
            raise missing_rights(self._settings, "Write", self._failure) from self._failure
        if self._failure is not None:
            topic = self._settings.topic(JOURNEY_EVENTS)
            raise RecordsNotSentError(
                f"{topic}: {self.sent - self.acknowledged} of {self.sent} records were not acknowledged "
                f"({self._failure!r})"
            ) from self._failure

    def _end_linger(self) -> None:
        self._linger = None
        self._lingering = asyncio.get_running_loop().create_task(self._submit_all())

    async def _submit_all(self) -> None:
        for partition in list(self._filling):
            try:
                await self._submit(partition)
            except RecordsNotSentError:
                return  # the next send or flush raises it

    def _stop_linger(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
        if self._lingering is not None:
            self._lingering.cancel()
