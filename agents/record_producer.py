"""Writes records to the input topic: by journey, or to explicit partitions."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from agents.operation_error import OperationError
from agents.settings import Settings
from schemas.codec import Codec
from schemas.records import InputRecord, JourneyRecord


class RecordsNotSentError(OperationError):
    """Records were not acknowledged; what was sent before may or may not be in the log."""


class RecordProducer:
    """An idempotent producer of `journey-events`, acks of all replicas, in batches; an async context manager.

    Leaving it flushes. `sent` counts records given, `acknowledged` those that are in the log.
    """

    sent: int
    acknowledged: int
    partition_count: int

    def __init__(self, settings: Settings, codec: Codec | None = None) -> None:
        """Without a codec takes one of the settings (schema registry or fingerprints)."""

    async def __aenter__(self) -> Self:
        """Connect. Raises UnknownTopicError, KafkaUnreachableError."""
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush unless an error is under way, and disconnect."""
        raise NotImplementedError

    async def send(self, record: JourneyRecord) -> None:
        """Give a record to the partition of its journey; waits while too much is in flight.

        Raises InvalidRecordError for a record beyond the size limit, RecordsNotSentError if an earlier one failed.
        """
        raise NotImplementedError

    async def send_to_partition(self, record: InputRecord, partition: int) -> None:
        """Give a Punctuation or PolicyChanged to an explicit partition; raises as `send`."""
        raise NotImplementedError

    async def send_to_all(self, record: InputRecord) -> None:
        """Give a Punctuation or PolicyChanged to every partition; raises as `send`."""
        raise NotImplementedError

    async def flush(self) -> None:
        """Wait until everything given is acknowledged. Raises RecordsNotSentError."""
        raise NotImplementedError
