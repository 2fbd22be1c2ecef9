"""The protocol of a mirror's source: journeys, outputs and policies of an embedded or a connected manager."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple, Protocol

from journeys.streams.rule.policy import Policy
from training_orchestrator.backend.journey_update import JourneyUpdate
from training_orchestrator.sources.published_outputs import Place, PublishedRecord


class KnownPolicies(NamedTuple):
    """The policy in force, and all policies of the log by version."""

    in_force: Policy
    by_version: Mapping[str, Policy]


class MirrorSource(Protocol):
    """What a mirror copies from. Every method may raise StoreUnavailableError."""

    async def identity(self) -> str:
        """Text that identifies the store or application."""

    def updates(self) -> AsyncIterator[list[JourneyUpdate]]:
        """Yield the present state of all journeys, in batches."""

    async def outputs(self, positions: Mapping[Place, int]) -> list[PublishedRecord]:
        """Next outputs from `positions` on (places without a position: from their beginning); empty if there are none.

        Pass the positions behind the last outputs to read on; others begin a new read.
        """

    async def policies(self) -> KnownPolicies:
        """Policies of the log."""

    async def change_policy(self, policy: Policy) -> None:
        """Append PolicyChanged to the log."""
