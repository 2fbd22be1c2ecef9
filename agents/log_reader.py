"""Reads topics from the log, without a consumer group: a span that is there, or the tail as it grows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from agents.operation_error import OperationError
from agents.settings import Settings


class LogBatch(NamedTuple):
    """Records of one partition in order of their offsets: aiokafka's ConsumerRecord (offset, key, value, ...)."""

    topic: str
    partition: int
    records: Sequence[Any]


class UnknownTopicError(OperationError):
    """A topic to be read does not exist."""


class LogHeadGoneError(OperationError):
    """The first records of a partition are no longer there, so a replay can't give what live gave."""


class ReaderStalledError(OperationError):
    """A partition gave nothing for too long although its log has more."""


class LogReader:
    """Reads one topic, partition by partition.

    `start_offsets` are the first offsets that are there, `end_offsets` those behind the last record, both by
    partition and as of the opening.
    """

    topic: str
    start_offsets: dict[int, int]
    end_offsets: dict[int, int]

    @property
    def partition_count(self) -> int:
        """Partitions of the topic."""
        raise NotImplementedError

    def require_head(self) -> None:
        """Raise LogHeadGoneError unless every partition begins at offset 0."""
        raise NotImplementedError

    def read_partition(
        self, partition: int, *, start: int | None = None, end: int | None = None
    ) -> AsyncIterator[LogBatch]:
        """Yield records from `start` (default: the first) up to and without `end` (default: `end_offsets`).

        Raises ReaderStalledError, LogHeadGoneError if records are deleted meanwhile, KafkaUnreachableError.
        """
        raise NotImplementedError

    async def end_offsets_now(self) -> dict[int, int]:
        """Offsets behind the last record, by partition, at this moment."""
        raise NotImplementedError


@asynccontextmanager
async def open_log(settings: Settings, topic: str) -> AsyncIterator[LogReader]:
    """Give a reader of a topic. Raises UnknownTopicError, KafkaUnreachableError."""
    raise NotImplementedError
    yield


def tail(
    settings: Settings, topics: Sequence[str], *, start_offsets: Mapping[tuple[str, int], int] | None = None
) -> AsyncIterator[LogBatch]:
    """Yield records of topics as they come, for ever; waits without end where nothing comes.

    `start_offsets` by (topic, partition); partitions that it leaves out begin at their present end.
    Raises UnknownTopicError, KafkaUnreachableError.
    """
    raise NotImplementedError
