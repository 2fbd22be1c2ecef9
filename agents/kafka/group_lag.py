"""Consumer lag of a worker's group on the input topic."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
)

from journeys.agents.kafka.connection import admin
from journeys.agents.kafka.missing_rights import MissingRightsError
from journeys.agents.kafka.rights import Right
from journeys.agents.settings.settings import Settings
from journeys.schemas.topics import JOURNEY_EVENTS

NO_COORDINATOR_YET: Final = (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
)
COORDINATOR_POLLS: Final = 50
COORDINATOR_POLL_SECONDS: Final = 0.1


async def group_lag(settings: Settings, end_offsets: Mapping[int, int]) -> dict[int, int | None]:
    """Lag by partition: input offsets below `end_offsets` that are not committed; None where nothing ever was."""
    topic = settings.topic(JOURNEY_EVENTS)
    committed = await _committed(settings, [TopicPartition(topic, number) for number in end_offsets])
    return {
        number: max(0, end - committed[number]) if number in committed else None for number, end in end_offsets.items()
    }


async def _committed(settings: Settings, tps: list[TopicPartition]) -> dict[int, int]:
    async with admin(settings) as client:
        for _ in range(COORDINATOR_POLLS):
            try:
                offsets = await client.list_consumer_group_offsets(settings.group, partitions=tps)
            except NO_COORDINATOR_YET:
                # The first request about any group makes the broker create the internal topic of offsets.
                await asyncio.sleep(COORDINATOR_POLL_SECONDS)
            except GroupAuthorizationFailedError:
                raise MissingRightsError(settings, [Right("Describe", "group", settings.group)]) from None
            else:
                return {tp.partition: committed.offset for tp, committed in offsets.items() if committed.offset >= 0}
    return {}
