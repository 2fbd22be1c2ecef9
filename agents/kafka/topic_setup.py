"""Creates topics, checks them against the topic map, and requires them for workers."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import Any, Final, NamedTuple

from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError, for_code

from journeys.agents.kafka.connection import admin, bootstrap_servers
from journeys.agents.kafka.metadata import Metadata
from journeys.agents.kafka.missing_rights import MissingRightsError
from journeys.agents.kafka.required_rights import hidden_topics
from journeys.agents.kafka.rights import Operation, Right
from journeys.agents.kafka.topic_identity import TopicIdentity, topic_identities
from journeys.agents.kafka.topic_problems import (
    COMMITTED_OFFSETS,
    Cluster,
    Problem,
    TopicState,
    create_command,
    problems,
)
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.schemas.topics import JOURNEY_EVENTS, SAFE_REPLICAS, Topic, replica_settings

log = logging.getLogger("journeys.topics")
_TOPIC_EXISTS: Final = 36
_READY_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.1


class UnknownTopicError(OperationError):
    """A topic that is to be read or written does not exist."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"the topic {topic} does not exist; create it with `journeys topics create`")


class TopicSetupError(OperationError):
    """The topics can't be used as they are. `problems` holds the errors; the text has one line for each."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(problem.text for problem in problems))
        self.problems = problems


class TopicOutcome(NamedTuple):
    """Result of `create_topics` for one topic."""

    topic: str
    created: bool
    """False for a topic that existed."""
    partition_count: int


async def create_topics(settings: Settings) -> list[TopicOutcome]:
    """Create the missing topics, in the order of the topic map, and wait until they can be used.

    They get the partition count of the existing ones, else `settings.partitions`, and `new_replication_factor`.
    Raises TopicSetupError if the broker refuses one, KafkaUnreachableError, MissingRightsError.
    """
    topics = settings.topics
    servers = bootstrap_servers(settings)
    async with admin(settings) as client:
        existing = await _visible_counts(client, settings, topics)
        count = _count_for_new(topics, existing, settings)
        missing = [topic for topic in topics if topic.name not in existing]
        created = await _create(client, missing, count, settings, servers) if missing else set()
        counts = await _wait_until_usable(client, [topic.name for topic in topics])
    return [TopicOutcome(topic.name, topic.name in created, counts[topic.name]) for topic in topics]


async def check_topics(settings: Settings) -> list[Problem]:
    """Compare the topics with the topic map. Changes nothing. Raises KafkaUnreachableError, MissingRightsError."""
    topics = settings.topics
    servers = bootstrap_servers(settings)
    async with admin(settings) as client:
        counts = await _visible_counts(client, settings, topics)
        existing = [topic.name for topic in topics if topic.name in counts]
        configs = await _settings(client, existing)
        described = await client.describe_topics()
        brokers = await broker_count(client)
    copies = {topic["topic"]: _least_copies(topic["partitions"]) for topic in described}
    states = {name: TopicState(counts[name], config, copies.get(name)) for name, config in configs.items()}
    cluster = Cluster(servers, brokers, settings.replication_factor == 1, copies.get(COMMITTED_OFFSETS))
    return problems(topics, states, cluster)


async def require_topics(settings: Settings) -> int:
    """Check the topics for a worker, after creating missing ones if the settings allow; gives the partition count.

    Raises TopicSetupError with all errors, KafkaUnreachableError. Warnings are logged.
    """
    if settings.create_topics:
        for outcome in await create_topics(settings):
            if outcome.created:
                log.info("created topic %s with %d partitions", outcome.topic, outcome.partition_count)
    found_problems = await check_topics(settings)
    for problem in found_problems:
        if problem.severity == "warning":
            log.warning("%s", problem.text)
    errors = [problem for problem in found_problems if problem.severity == "error"]
    if errors:
        raise TopicSetupError(errors)
    return (await partition_counts(settings))[settings.topic(JOURNEY_EVENTS)]


async def new_replication_factor(client: Any, settings: Settings) -> int:
    """Copies of a topic that is created: as the settings say, else 3, or as many as there are brokers.

    `client` is a started AIOKafkaAdminClient.
    """
    return settings.replication_factor or min(SAFE_REPLICAS, await broker_count(client))


async def broker_count(client: Any) -> int:
    """Brokers of the cluster that are up; `client` is a started AIOKafkaAdminClient."""
    return len((await client.describe_cluster())["brokers"])


async def present_identities(settings: Settings) -> dict[str, TopicIdentity]:
    """Identities of the topics of the topic map that exist; empty where Kafka has no topic ids."""
    async with admin(settings) as client:
        found = await topic_identities(client._client, [topic.name for topic in settings.topics])
    return {name: identity for name, identity in found.items() if identity is not None}


async def partition_counts(settings: Settings) -> dict[str, int]:
    """Partition count of every existing topic, by name in Kafka. Creates none. Raises KafkaUnreachableError."""
    async with admin(settings) as client:
        return await _partition_counts(client)


async def partition_count(settings: Settings, topic: str, operation: Operation) -> int:
    """Partition count of a topic that is to be read or written, given by its name without prefix.

    Raises UnknownTopicError, MissingRightsError if this user may not Describe it, KafkaUnreachableError.
    """
    async with admin(settings) as client:
        name = settings.topic(topic)
        count = (await _partition_counts(client)).get(name)
        if count is not None:
            return count
        if await hidden_topics(client, [name]):
            raise MissingRightsError(settings, [Right(operation, "topic", name)])
    raise UnknownTopicError(name)


async def _visible_counts(client: Any, settings: Settings, topics: tuple[Topic, ...]) -> dict[str, int]:
    """Partition count of every existing topic; raises MissingRightsError for one that this user may not Describe."""
    counts = await _partition_counts(client)
    unseen = [topic.name for topic in topics if topic.name not in counts]
    hidden = await hidden_topics(client, unseen) if unseen else []
    if hidden:
        raise MissingRightsError(settings, [Right("Describe", "topic", name) for name in hidden])
    return counts


async def _partition_counts(client: Any) -> dict[str, int]:
    # All topics: a request by name would create a missing one, where the broker allows that.
    return {topic["topic"]: len(topic["partitions"]) for topic in await client.describe_topics()}


def _count_for_new(topics: tuple[Topic, ...], existing: dict[str, int], settings: Settings) -> int:
    # In the order of the topic map: the input topic is the first.
    return next((existing[topic.name] for topic in topics if topic.name in existing), settings.partitions)


async def _create(client: Any, missing: list[Topic], count: int, settings: Settings, servers: str) -> set[str]:
    factor = await new_replication_factor(client, settings)
    durable = replica_settings(factor)
    wanted = [NewTopic(topic.name, count, factor, topic_configs=topic.settings | durable) for topic in missing]
    response = await client.create_topics(wanted)
    by_name = {topic.name: topic for topic in missing}
    created: set[str] = set()
    refused: list[Problem] = []
    for name, code, message in response.topic_errors:
        if code == 0:
            created.add(name)
        elif code != _TOPIC_EXISTS:  # another worker has created it meanwhile
            why = message or for_code(code).__name__
            command = create_command(by_name[name], count, factor, servers)
            refused.append(
                Problem("error", name, f"{name} does not exist and the broker refused to create it ({why}): {command}")
            )
    if refused:
        raise TopicSetupError(refused)
    return created


async def _wait_until_usable(client: Any, names: list[str]) -> dict[str, int]:
    """Wait until all partitions of the topics have a leader, and all brokers know them; gives the partition counts."""
    counts = await _wait_until_led(client, names)
    deadline = monotonic() + _READY_SECONDS
    # A broker hears of a topic a moment after the controller has made it, and sends away whoever asks it before.
    while monotonic() < deadline:
        if await _are_known(client, names):
            break
        await asyncio.sleep(_POLL_SECONDS)
    return counts


async def _are_known(client: Any, names: list[str]) -> bool:
    """Whether each broker that answers knows the topics; a Kafka before 2.8 is not asked."""
    kafka = client._client
    for broker in kafka.cluster.brokers():
        try:
            response = await kafka.send(broker.nodeId, Metadata(names))
        except IncompatibleBrokerVersion:
            return True
        except KafkaError:
            continue  # it is away, and will know them when it is back
        if any(error for error, *_ in response.topics):
            return False
    return True


async def _wait_until_led(client: Any, names: list[str]) -> dict[str, int]:
    """Wait until every partition of the topics has a leader; gives the partition counts."""
    deadline = monotonic() + _READY_SECONDS
    while True:
        partitions = {topic["topic"]: topic["partitions"] for topic in await client.describe_topics()}
        waiting = [name for name in names if not _has_leaders(partitions.get(name, []))]
        if not waiting:
            return {name: len(partitions[name]) for name in names}
        if monotonic() > deadline:
            text = f"{', '.join(waiting)}: no leader for every partition within {_READY_SECONDS:g} s; is a broker down?"
            raise TopicSetupError([Problem("error", waiting[0], text)])
        await asyncio.sleep(_POLL_SECONDS)


def _least_copies(partitions: list[Any]) -> int:
    return min((len(partition["replicas"]) for partition in partitions), default=0)


def _has_leaders(partitions: list[Any]) -> bool:
    return bool(partitions) and all(partition["leader"] >= 0 for partition in partitions)


async def _settings(client: Any, names: list[str]) -> dict[str, dict[str, str] | None]:
    """Settings in force of each topic; None if this client may not read them."""
    if not names:
        return {}
    responses = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    settings: dict[str, dict[str, str] | None] = {}
    for response in responses:
        for code, _, _, name, entries in response.resources:
            settings[name] = None if code else {entry[0]: entry[1] for entry in entries}
    return settings
