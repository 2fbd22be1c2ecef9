"""What a mirror follows: journeys, outputs and policy, wherever they are decided."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple, Protocol

from journeys.streams.rule.policy import Policy
from training_orchestrator.backend.journey_update import JourneyUpdate
from training_orchestrator.sources.published_outputs import Place, PublishedRecord


class KnownPolicies(NamedTuple):
    """The policy in force, and all that the log knows by their versions."""

    in_force: Policy
    by_version: Mapping[str, Policy]


class MirrorSource(Protocol):
    """The truth behind a mirror. Every method may raise StoreUnavailableError."""

    async def identity(self) -> str:
        """Text that names these journeys and no others."""

    def updates(self) -> AsyncIterator[list[JourneyUpdate]]:
        """Yield all journeys of this moment, in portions."""

    async def outputs(self, positions: Mapping[Place, int]) -> list[PublishedRecord]:
        """Next outputs from `positions` on (places that it leaves out: from their beginning); none when there are none.

        What is given counts as passed: asked with other positions, it begins again there.
        """

    async def policies(self) -> KnownPolicies:
        """Policies as the log has them."""

    async def change_policy(self, policy: Policy) -> None:
        """Append PolicyChanged; the log decides."""
