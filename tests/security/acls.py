"""Rights given and taken, as kafka-acls.sh does it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any

from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest

from journeys.agents.kafka.connection import admin
from journeys.agents.kafka.rights import Right
from journeys.agents.settings.settings import Settings

_RESOURCES = {"topic": 2, "group": 3}
_OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10}
_ANY, _LITERAL, _ALLOW = 1, 3, 3
_SECONDS = 30.0


def _words(user: str, right: Right) -> tuple[Any, ...]:
    operation = _OPERATIONS[right.operation]
    return _RESOURCES[right.resource], right.name, _LITERAL, f"User:{user}", "*", operation, _ALLOW


class _CreateAcls(CreateAclsRequest):
    """All of them in one request, which aiokafka does not offer."""

    def __init__(self, grants: Sequence[tuple[str, Right]]) -> None:
        self._words = [_words(user, right) for user, right in grants]

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(self._words)


async def grant(settings: Settings, grants: Sequence[tuple[str, Right]]) -> None:
    """Give users rights, and wait until the broker goes by them."""
    async with admin(settings) as client:
        response = await client._send_to_controller(_CreateAcls(grants))
        assert {code for code, _ in response.creation_responses} == {0}
        await _wait_until(client, {_words(user, right) for user, right in grants}, there=True)


async def revoke(settings: Settings, user: str, right: Right) -> None:
    """Take a right from a user, and wait until the broker goes by it."""
    async with admin(settings) as client:
        response = await client._send_to_controller(DeleteAclsRequest(*_words(user, right)))
        ((_, _, found),) = response.filter_responses
        assert len(found) == 1
        await _wait_until(client, {_words(user, right)}, there=False)


async def _wait_until(client: Any, wanted: set[tuple[Any, ...]], *, there: bool) -> None:
    deadline = monotonic() + _SECONDS
    while True:
        found = {
            (kind, name, pattern, *acl)
            for kind, name, pattern, acls in (await _describe(client)).resources
            for acl in acls
        }
        if wanted <= found if there else not wanted & found:
            return
        assert monotonic() < deadline, f"the broker does not go by {wanted - found if there else wanted & found}"
        await asyncio.sleep(0.05)


async def _describe(client: Any) -> Any:
    return await client._send_request(DescribeAclsRequest(_ANY, None, _ANY, None, None, _ANY, _ANY))
