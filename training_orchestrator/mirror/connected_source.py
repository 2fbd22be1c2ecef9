"""Source of a connected manager's mirror: the changelog of the workers' table, and the output topics."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from journeys.agents.kafka.changelog_state import UnknownChangelogError, changelog_state
from journeys.agents.kafka.connection import client_options
from journeys.agents.kafka.log_reader import LogBatch, RecordsDeletedError, open_log
from journeys.agents.kafka.record_producer import RecordProducer
from journeys.agents.settings.settings import Settings
from journeys.clock import now_ms
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import PolicyChanged
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, changelog_name
from journeys.streams.rule.policy import InvalidPolicyError, Policy
from journeys.streams.stored.restored_rows import UnreadableRowError
from training_orchestrator.api.answers import StoreUnavailableError
from training_orchestrator.backend.journey_update import JourneyUpdate
from training_orchestrator.mirror.mirror_source import KnownPolicies
from training_orchestrator.mirror.table_rows import TableRows
from training_orchestrator.runtime.task_end import end
from training_orchestrator.sources.followed_log import KAFKA_FAULTS, FollowedLog
from training_orchestrator.sources.followed_outputs import FollowedOutputs
from training_orchestrator.sources.published_outputs import Place, PublishedRecord
from training_orchestrator.sources.topic_source import TopicSource

log = logging.getLogger("journeys.redis")
_REQUESTED_BY: Final = "redis"
_FAULTS: Final = (
    *KAFKA_FAULTS,
    *(UnknownChangelogError, UnreadableRowError, InvalidRecordError, InvalidPolicyError),
)


class ConnectedSource:
    """A MirrorSource. `note` gets updates of changed rows; `lost` is called when some may have been missed."""

    def __init__(
        self, settings: Settings, note: Callable[[list[JourneyUpdate]], None], lost: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._changelog = changelog_name(settings.application_id)
        self._note = note
        self._lost = lost
        self._table = TableRows()
        self._outputs = FollowedOutputs(TopicSource(settings))
        self._following: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Stop following."""
        await self._outputs.close()
        await end(self._following)

    async def identity(self) -> str:
        """Application and topic id: a topic that was deleted and created again has another id."""
        async with _answered():
            topic = self._settings.topic(JOURNEY_ABANDONMENTS)
            state = await changelog_state(await client_options(self._settings), topic)
        return f"{self._settings.group}:{state.topic_id}"

    async def updates(self) -> AsyncIterator[list[JourneyUpdate]]:
        """Rows of the changelog up to its present end; `note` gets later ones."""
        async with (
            _answered(),
            open_log(self._settings, self._changelog, catalog=self._table.codec.catalog) as rows,
        ):
            for number in range(rows.partition_count):
                async for batch in rows.read_partition(number):
                    for updates in self._table.take(number, batch.records):
                        yield updates
            if self._following is None or self._following.done():
                ends = {(self._changelog, number): end for number, end in rows.end_offsets.items()}
                self._following = asyncio.create_task(self._follow(ends))

    async def outputs(self, positions: Mapping[Place, int]) -> list[PublishedRecord]:
        """From the topics."""
        return await self._outputs.take(positions)

    async def policies(self) -> KnownPolicies:
        """As of the workers' last flush."""
        return self._table.policies()

    async def change_policy(self, policy: Policy) -> None:
        """Append it to every partition of the input topic."""
        changed = PolicyChanged(policy.version, policy.to_json(), now_ms(), _REQUESTED_BY)
        async with _answered(), RecordProducer(self._settings) as producer:
            await producer.send_to_all(changed)

    async def _follow(self, positions: dict[Place, int]) -> None:
        rows = FollowedLog(self._settings, self._table.codec.catalog, positions, self._take, _FAULTS)
        try:
            await rows.follow(lambda error: log.warning("the changelog can't be read for now: %s", error))
        except RecordsDeletedError as error:  # a changelog that was deleted and created again
            log.warning("the changelog is read again from the beginning for Redis: %s", error)
            self._lost()

    def _take(self, batch: LogBatch) -> None:
        for updates in self._table.take(batch.partition, batch.records):
            self._note(updates)


@asynccontextmanager
async def _answered() -> AsyncIterator[None]:
    try:
        yield
    except _FAULTS as error:
        raise StoreUnavailableError(str(error)) from error
