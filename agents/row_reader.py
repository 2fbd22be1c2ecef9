"""The latest row of one journey out of the changelog, with what was published about it."""

from __future__ import annotations

from dataclasses import dataclass

from agents.settings import Settings
from schemas.records import JourneyAbandoned, JourneyLifecycle
from streams.row import Row

SHOWN_RECORDS = 20


@dataclass(frozen=True, slots=True)
class JourneyView:
    """What is stored and published of a journey. Instants are epoch milliseconds."""

    journey_id: str
    partition: int
    row: Row | None
    """None for a journey that was never seen or is forgotten."""
    clock: int | None
    """The partition's, as of its last flush."""
    abandonments: list[JourneyAbandoned]
    """The last SHOWN_RECORDS, oldest first, each once."""
    lifecycle: list[JourneyLifecycle]
    """The same."""


async def read_row(settings: Settings, journey_id: str) -> JourneyView:
    """Read the partition that murmur2 gives through: time grows with its size.

    Raises UnknownTopicError, ReaderStalledError, KafkaUnreachableError, RegistryUnreachableError,
    streams.table.TableMismatchError where the table is of another number of partitions.
    """
    raise NotImplementedError
