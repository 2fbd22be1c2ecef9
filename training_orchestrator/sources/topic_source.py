"""Feed source of the output topics in Kafka, read without a consumer group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.errors import KafkaError

from journeys.agents.kafka.log_reader import LogBatch, open_log, tail
from journeys.agents.kafka.missing_rights import MissingRightsError
from journeys.agents.kafka.topic_setup import present_identities
from journeys.agents.kafka.topic_time import topic_time
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from training_orchestrator.api.answers import StoreUnavailableError
from training_orchestrator.sources.file_sources import decoded
from training_orchestrator.sources.published_outputs import Place, PublishedRecord

_TOPICS: Final = (JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE)


class TopicSource:
    """`journey-abandonments` and `journey-lifecycle`. To start at an instant, it reads the input topic, too."""

    name = "kafka"
    continues = frozenset({"kafka", "redis"})

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._codec = Codec()

    async def records(self, positions: Mapping[Place, int], *, follow: bool) -> AsyncIterator[list[PublishedRecord]]:
        """Follow both topics, or read first all abandonments, then the lifecycle. Raises StoreUnavailableError."""
        async with self._answered():
            batches = self._followed(positions) if follow else self._until_now(positions)
            async for batch in batches:
                yield self._decoded(batch)

    async def end_positions(self) -> dict[Place, int]:
        """The present ends."""
        positions: dict[Place, int] = {}
        async with self._answered():
            for topic in _TOPICS:
                async with open_log(self._settings, topic, catalog=None) as log:
                    positions.update({(topic, number): end for number, end in log.end_offsets.items()})
        return positions

    async def topic_ids(self) -> dict[str, str]:
        """As Kafka gives them: a topic that is deleted and created again has another one."""
        async with self._answered():
            present = await present_identities(self._settings)
        names = {self._settings.topic(topic): topic for topic in _TOPICS}
        return {names[name]: found.topic_id for name, found in present.items() if name in names}

    async def positions_since(self, at: int) -> dict[Place, int]:
        """By append times, on live topics: a record is published after it is detected. Else the beginning.

        Without the right to read the input topic, which tells whether it is live, the beginning, too: slower, no loss.
        """
        positions: dict[Place, int] = {}
        async with self._answered():
            try:
                time_source = (await topic_time(self._settings, self._codec)).time_source
            except MissingRightsError:
                return positions
            if time_source != "live" or at > now_ms():
                return positions
            for topic in _TOPICS:
                async with open_log(self._settings, topic, catalog=None) as log:
                    starts = await log.offsets_at_time(at)
                    positions.update({(topic, number): start for number, start in starts.items()})
        return positions

    async def _followed(self, positions: Mapping[Place, int]) -> AsyncIterator[LogBatch]:
        begin: dict[Place, int] = {}
        for topic in _TOPICS:
            async with open_log(self._settings, topic, catalog=None) as log:
                begin.update({(topic, number): start for number, start in log.start_offsets.items()})
        async for batch in tail(
            self._settings, _TOPICS, catalog=self._codec.catalog, start_offsets=begin | dict(positions)
        ):
            yield batch

    async def _until_now(self, positions: Mapping[Place, int]) -> AsyncIterator[LogBatch]:
        for topic in _TOPICS:
            async with open_log(self._settings, topic, catalog=self._codec.catalog) as log:
                for number in range(log.partition_count):
                    start = positions.get((topic, number))
                    async for batch in log.read_partition(number, start=start):
                        yield batch

    def _decoded(self, batch: LogBatch) -> list[PublishedRecord]:
        place = batch.topic, batch.partition
        return list(decoded(self._codec, ((place, each.offset, batch.topic, each.value) for each in batch.records)))

    @asynccontextmanager
    async def _answered(self) -> AsyncIterator[Any]:
        try:
            yield
        except (OperationError, KafkaError) as error:
            raise StoreUnavailableError(str(error)) from error
