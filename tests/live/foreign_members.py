"""Members of a worker's group that are no workers: programs of others, or workers gone wrong."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from faust.assignor.client_assignment import ClientAssignment, ClientMetadata

from journeys.agents.settings.settings import Settings
from journeys.schemas.topics import JOURNEY_EVENTS


class NamesakeAssignor(RoundRobinPartitionAssignor):
    """Bears the name of the workers' assignor, and knows nothing of what that says."""

    name = "faust"


class IdleAssignor(RoundRobinPartitionAssignor):
    """Speaks as the workers' assignor does, and gives no partition to anybody."""

    name = "faust"
    version = 4

    @classmethod
    def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Say what a worker says that has had no partitions yet."""
        nothing = ClientMetadata(
            assignment=ClientAssignment(actives={}, standbys={}),
            url="http://nowhere",
            changelog_distribution={},
            external_topic_distribution={},
            topic_groups={},
        )
        return ConsumerProtocolMemberMetadata(cls.version, list(topics), nothing.dumps())

    @classmethod
    def assign(cls, cluster: Any, members: Mapping[str, Any]) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Assign nothing, in the form that a worker can read."""
        del cluster
        return {
            name: ConsumerProtocolMemberAssignment(cls.version, [], zlib.compress(metadata.user_data))
            for name, metadata in members.items()
        }


class Sleeper(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka publishes no types
    """Does not answer a rebalance, except the one with which it has joined."""

    def __init__(self) -> None:
        self._has_joined = False

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Wait for ever if it was a member before."""
        del revoked
        if self._has_joined:
            await asyncio.Event().wait()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Be a member from now on."""
        del assigned
        self._has_joined = True


@asynccontextmanager
async def member(
    settings: Settings, assignor: type[Any], listener: ConsumerRebalanceListener | None = None
) -> AsyncIterator[None]:
    """Be a member of the worker's group."""
    client = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers,
        group_id=settings.application_id,
        enable_auto_commit=False,
        partition_assignment_strategy=(assignor,),
        rebalance_timeout_ms=600_000,
    )
    client.subscribe([JOURNEY_EVENTS], listener=listener)
    await client.start()
    joined = client._coordinator
    try:
        yield
    finally:
        joined._coordination_task.cancel()  # a sleeper would not let itself be stopped
        await asyncio.wait({joined._coordination_task})
        await client.stop()
