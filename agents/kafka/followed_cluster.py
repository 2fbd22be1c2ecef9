"""Makes a client of aiokafka follow its cluster: who leads, who has left, and never an older answer than one before.

aiokafka by itself asks a random broker every five minutes or after an error, waits 30 s for one that is frozen or cut
off, and lets no other connection begin meanwhile. A broker that is cut off from its cluster and not from the client
answers as if nothing had happened. And a request to a broker that has lost its partitions waits for its own time limit.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from contextlib import nullcontext
from time import monotonic
from typing import Any, Final, NamedTuple
from uuid import UUID

from aiokafka.client import ConnectionGroup
from aiokafka.errors import KafkaError

from journeys.agents.kafka.metadata import Metadata

# Half of what a partition may stand still when its broker dies, apart from Kafka's own part.
_MAX_AGE_MS: Final = 2_000
# An answer about a partition costs about 10 us: in large clusters this keeps the cost below half a percent.
_MAX_AGE_MS_PER_PARTITION: Final = 2
_NEXT_AFTER_SECONDS: Final = 1.0
_CONNECT_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 0.2
# A broker answers the requests of a connection in order: a question must not wait behind writes that wait for replicas.
_QUESTIONS: Final = "questions"


class _Answer(NamedTuple):
    """What `ClusterMetadata.update_metadata` reads of a response."""

    API_VERSION: int
    brokers: Sequence[tuple[int, str, int, str | None]]
    controller_id: int
    topics: Sequence[tuple[int, str, bool, Sequence[tuple[int, int, int, Sequence[int], Sequence[int]]]]]


def follow_cluster(client: Any) -> None:
    """Make a client that is not started yet follow its cluster: see the module.

    It asks every 2 s, 0.2 s after nobody answered or while a partition has no leader, and drops its connections to
    brokers that the cluster no longer names: what waits there is sent to those that lead now.
    """
    _Follower(client)


class _Follower:
    """Replaces the methods of a client that ask for metadata and open connections."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._epochs: dict[tuple[UUID, int], int] = {}
        self._connect = client._get_conn
        self._bootstrap = client.bootstrap
        self._update_at_start = client._metadata_update
        self._locks: defaultdict[tuple[Any, Any], asyncio.Lock] = defaultdict(asyncio.Lock)
        client._metadata_max_age_ms = _MAX_AGE_MS
        client._get_conn_lock_value = nullcontext()  # one for all brokers: `_locks` has one for each
        client._metadata_update = self._update
        client._get_conn = self._connection
        client.get_random_node = self._reachable_node
        client.bootstrap = self._bootstrapped

    async def _bootstrapped(self) -> None:
        """Ask one server after the other, each for no longer than a connection may take, and connect to a broker."""
        patience_ms = self._client._request_timeout_ms
        self._client._request_timeout_ms = min(patience_ms, round(_CONNECT_SECONDS * 1000))
        try:
            await self._bootstrap()
        finally:
            self._client._request_timeout_ms = patience_ms
        for node in self._brokers():
            if await self._connection(node) is not None:
                break

    def _brokers(self) -> list[Any]:
        """Node ids of the known brokers, in random order."""
        brokers = [broker.nodeId for broker in self._client.cluster.brokers()]
        random.shuffle(brokers)
        return brokers

    def _reachable_node(self) -> Any:
        """A broker for a question that any can answer: one with an open connection, if there is one."""
        brokers = self._brokers()
        connections = self._client._conns
        is_open = {node for (node, group), connection in connections.items() if not group and connection.connected()}
        return next((node for node in brokers if node in is_open), brokers[0] if brokers else None)

    async def _connection(self, node: Any, *, group: Any = ConnectionGroup.DEFAULT, no_hint: bool = False) -> Any:
        """Give an open connection to a broker, or None: one that doesn't answer keeps no other from being opened."""
        del no_hint
        try:
            async with asyncio.timeout(_CONNECT_SECONDS), self._locks[node, group]:
                return await self._connect(node, group=group)
        except TimeoutError:
            self._client.force_metadata_update()
            return None

    async def _update(self, cluster: Any, topics: Collection[str] | None) -> bool:
        """Bring news of the cluster and of these topics, of all without any; False if no broker has them."""
        brokers = self._brokers()
        if not brokers:
            is_known = bool(await self._update_at_start(cluster, topics))
            if not is_known:
                await asyncio.sleep(_RETRY_SECONDS)
            return is_known
        response = await self._first_news(brokers, Metadata(sorted(topics) if topics else None))
        if response is not None:
            cluster.update_metadata(_read(response))
            self._let_go(response)
        if response is None or not _all_have_leaders(cluster, topics or ()):
            await asyncio.sleep(_RETRY_SECONDS)
        return response is not None

    async def _first_news(self, brokers: Sequence[Any], request: Metadata) -> Any:
        """Ask a broker, and another one for each second without an answer; None if none has news in the end."""
        asked: set[asyncio.Task[Any]] = set()
        try:
            for node in brokers:
                asked.add(asyncio.create_task(self._ask(node, request)))
                if news := await _first(asked, _NEXT_AFTER_SECONDS):
                    return news
            return await _first(asked, _CONNECT_SECONDS)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def _ask(self, node: Any, request: Metadata) -> Any:
        """Response of a broker; None if it has none, or an old one. What is given up takes its connection with it."""
        connection = await self._connection(node, group=_QUESTIONS)
        response = None
        if connection is not None:
            try:
                response = await connection.send(request)
            except (KafkaError, TimeoutError):
                pass
            finally:
                if response is None:
                    connection.close()
        return None if response is None or not response.brokers or self._is_old(response) else response

    def _is_old(self, response: Any) -> bool:
        """Whether another broker has told of a newer leader of a partition; else note what this one tells."""
        epochs = {
            (topic_id, number): epoch
            for _, _, topic_id, _, partitions, *_ in response.topics
            for _, number, _, epoch, *_ in partitions
        }
        if any(epoch < self._epochs.get(partition, epoch) for partition, epoch in epochs.items()):
            return True
        self._epochs |= epochs
        self._client._metadata_max_age_ms = max(_MAX_AGE_MS, _MAX_AGE_MS_PER_PARTITION * len(epochs))
        return False

    def _let_go(self, response: Any) -> None:
        """Close the connections to brokers that have left: their requests fail now, and are sent elsewhere."""
        present = {node for node, *_ in response.brokers}
        for (node, _), connection in list(self._client._conns.items()):
            if node not in present:
                connection.close()


def _read(response: Any) -> _Answer:
    brokers = [(node, host, port, rack) for node, host, port, rack, *_ in response.brokers]
    topics = [
        (
            error,
            name,
            is_internal,
            [
                (fault, number, leader, replicas, in_sync)
                for fault, number, leader, _, replicas, in_sync, *_ in partitions
            ],
        )
        for error, name, _, is_internal, partitions, *_ in response.topics
    ]
    return _Answer(1, brokers, response.controller_id, topics)


def _all_have_leaders(cluster: Any, topics: Iterable[str]) -> bool:
    return all(
        (with_leader := cluster.available_partitions_for_topic(topic)) is not None
        and with_leader == cluster.partitions_for_topic(topic)
        for topic in topics
    )


async def _first(tasks: set[asyncio.Task[Any]], seconds: float) -> Any:
    """First result that is not None, within so many seconds; takes out the tasks that have ended."""
    deadline = monotonic() + seconds
    while tasks and (left := deadline - monotonic()) > 0:
        done, _ = await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        tasks -= done
        for result in (task.result() for task in done):
            if result is not None:
                return result
    return None
