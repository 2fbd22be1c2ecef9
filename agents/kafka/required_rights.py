"""Checks with Kafka that this client has the rights that it needs, before it starts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Any, Final

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    IncompatibleBrokerVersion,
    for_code,
)
from aiokafka.protocol.admin import DescribeGroupsRequest_v3, DescribeGroupsResponse_v3
from aiokafka.protocol.api import Request

from journeys.agents.kafka.connection import admin
from journeys.agents.kafka.group_lag import COORDINATOR_POLL_SECONDS, COORDINATOR_POLLS, NO_COORDINATOR_YET
from journeys.agents.kafka.metadata import Metadata
from journeys.agents.kafka.missing_rights import MissingRightsError
from journeys.agents.kafka.rights import Operation, Right, creation_rights, rights_of
from journeys.agents.settings.settings import Settings

log = logging.getLogger("journeys.rights")
# Kafka's operation codes: bit numbers in a response's set of allowed operations.
_BITS: Final[dict[Operation, int]] = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10}
_NOT_REPORTED: Final = -(2**31)
_EVERYTHING: Final = 2**31 - 1
_UNKNOWN_TOPIC: Final = 3
_NOT_AUTHORIZED: Final = 29


async def require_worker_rights(settings: Settings) -> None:
    """Raise MissingRightsError with every right that a worker lacks; raises as `admin`, too.

    The right to create a topic is needed only if the topic does not exist and the settings let the worker create it.
    A Kafka before 2.8 does not report rights: a missing one shows when it is used.
    """
    every = creation_rights(settings.application_id, settings.topic_prefix)
    wanted = rights_of("worker", settings.application_id, settings.topic_prefix)
    creation = every if settings.create_topics else ()
    async with admin(settings) as client:
        try:
            allowed, unknown = await _topics(client, [right.name for right in every])
            allowed |= await _group(client, settings.group)
        except (IncompatibleBrokerVersion, NotImplementedError):
            log.info("this Kafka does not report the rights of its users: they are not checked")
            return
    wanted += tuple(right for right in creation if right.name in unknown)
    missing = list(_missing(wanted, allowed))
    if missing:
        raise MissingRightsError(settings, missing)


async def hidden_topics(client: Any, topics: Sequence[str]) -> list[str]:
    """Those of the topics that this client may not Describe, so that an AIOKafkaAdminClient does not list them."""
    try:
        allowed, _ = await _topics(client, topics)
    except (IncompatibleBrokerVersion, NotImplementedError):
        return []
    return [right.name for right in _missing([Right("Describe", "topic", topic) for topic in topics], allowed)]


def _missing(wanted: Iterable[Right], allowed: dict[tuple[str, str], int]) -> Iterable[Right]:
    for right in wanted:
        if not allowed[right.resource, right.name] & 1 << _BITS[right.operation]:
            yield right


async def _topics(client: Any, topics: Sequence[str]) -> tuple[dict[tuple[str, str], int], set[str]]:
    """Bits of the allowed operations on each topic, and the topics that do not exist and may be described."""
    kafka = client._client  # the public methods send an older version of the request
    answer = await kafka.send(kafka.get_random_node(), Metadata(topics, with_operations=True))
    everywhere = answer.cluster_authorized_operations & 1 << _BITS["Create"]
    allowed: dict[tuple[str, str], int] = {}
    unknown: set[str] = set()
    for error_code, name, _, _, _, operations, _ in answer.topics:
        refused = error_code not in (0, _UNKNOWN_TOPIC)
        allowed["topic", name] = 0 if refused else _bits(operations) | everywhere
        if error_code == _UNKNOWN_TOPIC:
            unknown.add(name)
    hidden = [name for (_, name), bits in allowed.items() if not bits]
    allowed |= {("topic", name): 1 << _BITS["DescribeConfigs"] for name in await _with_settings(client, hidden)}
    return allowed, unknown


async def _with_settings(client: Any, hidden: Sequence[str]) -> set[str]:
    """Those of the hidden topics whose settings may be read: DescribeConfigs does not imply Describe."""
    if not hidden:
        return set()
    responses = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in hidden])
    return {name for response in responses for code, _, _, name, _ in response.resources if code != _NOT_AUTHORIZED}


async def _group(client: Any, group: str) -> dict[tuple[str, str], int]:
    """Bits of the allowed operations on a consumer group, whether it exists or not."""
    for _ in range(COORDINATOR_POLLS):
        try:
            node = await client.find_coordinator(group)
            ((error_code, *_, operations),) = (await client._client.send(node, _DescribeGroup(group))).groups
            if error_code:
                raise for_code(error_code)(group)
        except NO_COORDINATOR_YET:
            # The first request about any group makes the broker create the internal topic of offsets.
            await asyncio.sleep(COORDINATOR_POLL_SECONDS)
        except GroupAuthorizationFailedError:
            return {("group", group): 0}
        else:
            return {("group", group): _bits(operations)}
    raise GroupCoordinatorNotAvailableError(group)


def _bits(operations: int) -> int:
    return _EVERYTHING if operations == _NOT_REPORTED else operations


class _DescribeGroupsV3(DescribeGroupsRequest_v3):  # type: ignore[misc]  # aiokafka publishes no types
    RESPONSE_TYPE = DescribeGroupsResponse_v3  # aiokafka parses the response as version 2, without the last field


class _DescribeGroup(Request[_DescribeGroupsV3]):  # type: ignore[misc]  # aiokafka publishes no types
    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[_DescribeGroupsV3]) -> _DescribeGroupsV3:
        return request_struct_class([self._group], True)
