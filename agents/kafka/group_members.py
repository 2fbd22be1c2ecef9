"""Who is at work in a worker's group."""

from __future__ import annotations

import asyncio
from typing import Final

from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    for_code,
)

from journeys.agents.kafka.connection import admin
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings

_PASSES: Final = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)
_POLLS: Final = 50
_POLL_SECONDS: Final = 0.1


class GroupAtWorkError(OperationError):
    """The group has members, and what was asked for needs that it has none."""


async def require_no_members(settings: Settings) -> None:
    """Raise GroupAtWorkError while the worker's group has members, KafkaUnreachableError, KafkaRequestError."""
    members = await _members(settings)
    if members:
        raise GroupAtWorkError(
            f"the group {settings.application_id} has {len(members)} members ({', '.join(sorted(members))}): "
            "stop its workers; one that was killed leaves when its session is over"
        )


async def _members(settings: Settings) -> list[str]:
    """Clients of the group, each as its name and host."""
    async with admin(settings) as client:
        for _ in range(_POLLS):
            try:
                (response,) = await client.describe_consumer_groups([settings.application_id])
                code, _, _, _, _, members, *_ = response.groups[0]
                if code:
                    raise for_code(code)
            except _PASSES:
                # The first question about any group makes the broker set up the topic of groups.
                await asyncio.sleep(_POLL_SECONDS)
            else:
                return [f"{client_id} at {host.lstrip('/')}" for _, client_id, host, *_ in members]
    raise OperationError(f"Kafka does not say who is in the group {settings.application_id}: try again")
