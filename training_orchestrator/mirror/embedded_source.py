"""Source of an embedded manager's mirror: its rows in memory, and the outputs in its file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

from journeys.streams.rule.policy import Policy
from training_orchestrator.backend.journey_update import JourneyUpdate
from training_orchestrator.embedded.embedded_journeys import EmbeddedJourneys
from training_orchestrator.mirror.mirror_source import KnownPolicies
from training_orchestrator.sources.file_sources import StoreSource
from training_orchestrator.sources.published_outputs import Place, PublishedRecord

_REQUESTED_BY = "redis"


class EmbeddedSource:
    """A MirrorSource."""

    def __init__(self, journeys: EmbeddedJourneys, store: StoreSource) -> None:
        self._journeys = journeys
        self._store = store

    async def identity(self) -> str:
        """The file's path."""
        return self._store.place

    def updates(self) -> AsyncIterator[list[JourneyUpdate]]:
        """Rows in batches; the manager's calls are served between two of them."""
        return self._journeys.updates()

    async def outputs(self, positions: Mapping[Place, int]) -> list[PublishedRecord]:
        """From the file."""
        async with aclosing(self._store.records(positions, follow=False)) as batches:  # type: ignore[type-var]
            async for batch in batches:
                return batch
        return []

    async def policies(self) -> KnownPolicies:
        """From the embedded backend."""
        return KnownPolicies(*await self._journeys.policies())

    async def change_policy(self, policy: Policy) -> None:
        """Append it to the store's input, and apply it."""
        await self._journeys.change_policy(policy, _REQUESTED_BY)
