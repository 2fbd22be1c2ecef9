"""Ends a worker whose topics are not what they were when it began.

A topic may be deleted, created again, or given more partitions while a worker runs. aiokafka goes on with the name, and
so would the worker: it would skip records, publish into a topic that lacks what it had published before, or leave
partitions unread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiokafka.errors import KafkaError

from journeys.agents.kafka.topic_identity import TopicIdentity, changed_topics, topic_identities
from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now

log = logging.getLogger("journeys.topics")
_LOOK_EVERY_SECONDS: Final = 2.0


class TopicWatch:
    """Looks at the identities of a worker's topics; ends the process when one has changed.

    A difference counts when it is seen twice in a row: a broker that has just begun may answer from old metadata.
    """

    def __init__(self, client: Callable[[], Any], known: Mapping[str, TopicIdentity]) -> None:
        """`client` gives a started AIOKafkaClient; `known` are the identities at the start, by name."""
        self._client = client
        self._known = known
        self._seen: list[str] = []

    async def watch(self) -> None:
        """Look every few seconds, without end."""
        while self._known:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Look once; ends the process if a topic has changed."""
        try:
            now = await topic_identities(self._client(), list(self._known))
        except KafkaError as error:
            log.debug("the topics can't be looked at: %r", error)
            return
        changes = changed_topics(self._known, now)
        if changes and changes == self._seen:
            end_now(WorkerExit.SETUP, "; ".join(changes))
        self._seen = changes
