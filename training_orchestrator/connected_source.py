"""What the mirror of a connected manager follows: the changelog of the workers' table, and the output topics."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from time import time_ns
from typing import Final

from agents.changelog_state import UnknownChangelogError, changelog_state
from agents.kafka_connection import client_options
from agents.log_reader import LogBatch, LogHeadGoneError, open_log
from agents.record_producer import RecordProducer
from agents.schema_registry import registry_of
from agents.settings import Settings
from schemas.invalid import InvalidRecordError
from schemas.records import PolicyChanged
from schemas.topics import JOURNEY_ABANDONMENTS, changelog_name
from streams.policy import InvalidPolicyError, Policy
from streams.restored_rows import UnreadableRowError
from training_orchestrator.answers import StoreUnavailableError
from training_orchestrator.feed_records import Place, PublishedRecord
from training_orchestrator.feed_topics import TopicSource
from training_orchestrator.followed_log import KAFKA_FAULTS, FollowedLog
from training_orchestrator.followed_outputs import FollowedOutputs
from training_orchestrator.journey_update import JourneyUpdate
from training_orchestrator.mirror_source import KnownPolicies
from training_orchestrator.table_rows import TableRows
from training_orchestrator.task_end import end

log = logging.getLogger("journeys.redis")
_REQUESTED_BY: Final = "redis"
_FAULTS: Final = (
    *KAFKA_FAULTS,
    *(UnknownChangelogError, UnreadableRowError, InvalidRecordError, InvalidPolicyError),
)


class ConnectedSource:
    """A MirrorSource. `note` is told of rows that change, `lost` when some may have been missed."""

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
        """Follow no more."""
        await self._outputs.close()
        await end(self._following)

    async def identity(self) -> str:
        """Application and topic: one that was created anew under the same name is another."""
        async with _answered():
            state = await changelog_state(await client_options(self._settings), JOURNEY_ABANDONMENTS)
        return f"{self._settings.application_id}:{state.topic_id}"

    async def updates(self) -> AsyncIterator[list[JourneyUpdate]]:
        """The changelog, as far as it goes now; what comes behind it is noted."""
        async with (
            _answered(),
            registry_of(self._settings, self._table.codec.catalog) as registry,
            open_log(self._settings, self._changelog) as rows,
        ):
            for number in range(rows.partition_count):
                async for batch in rows.read_partition(number):
                    if registry is not None:
                        await registry.learn_from(record.value for record in batch.records)
                    for updates in self._table.take(number, batch.records):
                        yield updates
            if self._following is None or self._following.done():
                behind = {(self._changelog, number): end for number, end in rows.end_offsets.items()}
                self._following = asyncio.create_task(self._follow(behind))

    async def outputs(self, positions: Mapping[Place, int]) -> list[PublishedRecord]:
        """Out of the topics."""
        return await self._outputs.take(positions)

    async def policies(self) -> KnownPolicies:
        """As of the workers' last flush."""
        return self._table.policies()

    async def change_policy(self, policy: Policy) -> None:
        """Append it to every partition of the input topic."""
        changed = PolicyChanged(policy.version, policy.to_json(), time_ns() // 1_000_000, _REQUESTED_BY)
        async with _answered(), RecordProducer(self._settings) as producer:
            await producer.send_to_all(changed)

    async def _follow(self, positions: dict[Place, int]) -> None:
        rows = FollowedLog(self._settings, self._table.codec.catalog, positions, self._take, _FAULTS)
        try:
            await rows.follow(lambda error: log.warning("the table is not followed for now: %s", error))
        except LogHeadGoneError as error:  # a changelog that was created anew
            log.warning("the table is read anew for Redis: %s", error)
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
