"""Members of a worker's consumer group."""

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

_RETRIED: Final = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)
_POLLS: Final = 50
_POLL_SECONDS: Final = 0.1


class GroupActiveError(OperationError):
    """The group has members, and the operation needs a group without members."""


async def require_no_members(settings: Settings) -> None:
    """Raise GroupActiveError if the worker's group has members; also KafkaUnreachableError, KafkaRequestError."""
    present = await members(settings)
    if present:
        raise GroupActiveError(
            f"the group {settings.group} has {len(present)} members ({', '.join(sorted(present))}): "
            "stop its workers; one that was killed leaves when its session is over"
        )


async def members(settings: Settings) -> list[str]:
    """Members of the group, each as client id and host."""
    async with admin(settings) as client:
        for _ in range(_POLLS):
            try:
                (response,) = await client.describe_consumer_groups([settings.group])
                code, _, _, _, _, members, *_ = response.groups[0]
                if code:
                    raise for_code(code)
            except _RETRIED:
                # The first request about any group makes the broker create the internal topic of offsets.
                await asyncio.sleep(_POLL_SECONDS)
            else:
                return [f"{client_id} at {host.lstrip('/')}" for _, client_id, host, *_ in members]
    raise OperationError(f"Kafka does not list the members of the group {settings.group}: try again")
