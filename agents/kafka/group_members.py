"""Members of a worker's consumer group, and the input partitions that each of them owns."""

from __future__ import annotations

import asyncio
from typing import Any, Final, NamedTuple

from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    for_code,
)

from journeys.agents.kafka.connection import admin
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.schemas.topics import JOURNEY_EVENTS

_RETRIED: Final = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)
_POLLS: Final = 50
_POLL_SECONDS: Final = 0.1
_STABLE: Final = "Stable"


class GroupActiveError(OperationError):
    """The group has members, and the operation needs a group without members."""


class GroupMember(NamedTuple):
    """One member: client id and host, and the partitions of the input topic that it owns."""

    name: str
    partitions: frozenset[int]


class Group(NamedTuple):
    """A consumer group as Kafka describes it; `state` is one of Kafka's words, such as Stable or PreparingRebalance."""

    state: str
    members: tuple[GroupMember, ...]

    @property
    def is_stable(self) -> bool:
        """Whether all members have their partitions."""
        return self.state == _STABLE

    @property
    def owned(self) -> frozenset[int]:
        """Partitions of the input topic that have an owner."""
        return frozenset().union(*(member.partitions for member in self.members))

    def __str__(self) -> str:
        names = ", ".join(sorted(member.name for member in self.members))
        return f"the group is {self.state} with {len(self.members)} members ({names})"


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
    return [member.name for member in (await describe_group(settings)).members]


async def describe_group(settings: Settings) -> Group:
    """Ask Kafka for the worker's group. Raises KafkaUnreachableError, KafkaRequestError, OperationError."""
    async with admin(settings) as client:
        for _ in range(_POLLS):
            try:
                (response,) = await client.describe_consumer_groups([settings.group])
                code, _, state, _, _, found, *_ = response.groups[0]
                if code:
                    raise for_code(code)
            except _RETRIED:
                # The first request about any group makes the broker create the internal topic of offsets.
                await asyncio.sleep(_POLL_SECONDS)
            else:
                return Group(state, tuple(_member(settings.topic(JOURNEY_EVENTS), *member) for member in found))
    raise OperationError(f"Kafka does not list the members of the group {settings.group}: try again")


def _member(
    topic: str, member_id: str, client_id: str, host: str, metadata: bytes, assignment: bytes, *_: Any
) -> GroupMember:
    del member_id, metadata
    return GroupMember(f"{client_id} at {host.lstrip('/')}", _input_partitions(topic, assignment))


def _input_partitions(topic: str, assignment: bytes) -> frozenset[int]:
    """Partitions of the input topic in an assignment; none in one that is not of the consumer protocol."""
    try:
        assigned = ConsumerProtocol.ASSIGNMENT.decode(assignment).partitions() if assignment else ()
    except Exception:  # whatever a foreign member was given
        return frozenset()
    return frozenset(tp.partition for tp in assigned if tp.topic == topic)
