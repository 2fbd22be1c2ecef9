"""The input log of a store or of Kafka, read partition after partition for a replay."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from journeys.schemas.codec import Codec
from journeys.streams.partition.entry import EntryFields
from journeys.streams.partition.state import Partition
from training_orchestrator.api.answers import StoreUnavailableError
from training_orchestrator.api.configuration import DEFAULT_STORE, ConfigurationError, user_path
from training_orchestrator.api.extras import needs
from training_orchestrator.embedded.local_log import entries_of, store_connection

if TYPE_CHECKING:
    from journeys.agents.settings.settings import Settings


class RecordedLog(Protocol):
    """An input log: an empty state for each partition, with the partition's records in batches."""

    def partitions(self) -> AsyncIterator[tuple[Partition, AsyncGenerator[Sequence[EntryFields], None]]]:
        """Yield each partition with its batches; read them before the next partition. Raises StoreUnavailableError."""


def recorded_log(store_path: Path | str | None, bootstrap_servers: str | None) -> RecordedLog:
    """The log of a store or of a Kafka; without either, that of a manager without arguments.

    Raises ConfigurationError.
    """
    if store_path is not None:
        if bootstrap_servers is not None:
            raise ConfigurationError("store_path and bootstrap_servers: give one of them")
        return StoreLog(user_path(store_path))
    from training_orchestrator.sources.given_settings import given_settings  # noqa: PLC0415  (a store needs no settings)

    settings = given_settings(bootstrap_servers)
    return StoreLog(DEFAULT_STORE) if settings.bootstrap_servers is None else TopicLog(settings)


class StoreLog:
    """The log in an embedded manager's file; the manager may be running."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def partitions(self) -> AsyncIterator[tuple[Partition, AsyncGenerator[Sequence[EntryFields], None]]]:
        """The file's one partition."""
        yield Partition(), self._batches()

    async def _batches(self) -> AsyncGenerator[Sequence[EntryFields], None]:
        with store_connection(self._path) as connection:
            for batch in entries_of(connection, 0, Codec()):
                yield batch


class TopicLog:
    """The topic `journey-events`, up to its present end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def partitions(self) -> AsyncIterator[tuple[Partition, AsyncGenerator[Sequence[EntryFields], None]]]:
        """Each partition; raises StoreUnavailableError, also if the oldest records were deleted."""
        with needs("trainer", "a dataset of Kafka's journeys"):
            from journeys.agents.kafka.log_reader import open_log  # noqa: PLC0415  (a store needs no Kafka)
        from journeys.schemas.topics import JOURNEY_EVENTS  # noqa: PLC0415  (as above)

        codec = Codec()
        async with (
            _answered(),
            open_log(self._settings, JOURNEY_EVENTS, catalog=codec.catalog) as log,
        ):
            log.require_complete()

            async def batches(partition: Partition) -> AsyncGenerator[Sequence[EntryFields], None]:
                from journeys.streams.partition.log_entries import log_entries  # noqa: PLC0415  (as above)

                async with _answered():  # the generator runs outside of the outer context
                    partition.marks = await log.marks(partition.number)
                    async for batch in log.read_partition(partition.number, marks=partition.marks):
                        yield list(log_entries(batch.records, codec, partition.marks))

            for number in range(log.partition_count):
                partition = Partition(number, log.partition_count)
                yield partition, batches(partition)


@asynccontextmanager
async def _answered() -> AsyncIterator[None]:
    from aiokafka.errors import KafkaError  # noqa: PLC0415  (as above)

    from journeys.agents.settings.operation_error import OperationError  # noqa: PLC0415  (as above)

    try:
        yield
    except (OperationError, KafkaError) as error:
        raise StoreUnavailableError(str(error)) from error
