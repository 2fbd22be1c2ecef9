"""State of a changelog topic: its topic id, its partitions and their end offsets.

A topic that is deleted and created again keeps its name and loses its records; its topic id is another one.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError

from journeys.agents.kafka.followed_cluster import follow_cluster
from journeys.agents.kafka.metadata import NO_ID, Metadata

_ANSWER_SECONDS: Final = 2.0


class UnknownChangelogError(Exception):
    """The state of the changelog is not known; the text says why."""


class ChangelogState(NamedTuple):
    """A changelog topic at one moment."""

    topic_id: str
    ends: dict[int, int]
    """End offset by partition: the next record gets it."""

    @property
    def partition_count(self) -> int:
        """Partitions of the topic."""
        return len(self.ends)


async def changelog_state(client_options: dict[str, Any], topic: str) -> ChangelogState:
    """Ask Kafka for the state of a changelog.

    Takes 2 seconds at most: a rebalance waits for it, and no heartbeats are sent meanwhile. Raises
    UnknownChangelogError where Kafka does not answer in time, or is too old (before 2.8) for topic ids.
    """
    try:
        return await asyncio.wait_for(_ask(client_options, topic), _ANSWER_SECONDS)
    except TimeoutError:
        raise UnknownChangelogError(f"Kafka did not answer within {_ANSWER_SECONDS:g} s") from None
    except (IncompatibleBrokerVersion, NotImplementedError):
        raise UnknownChangelogError("this Kafka has no topic ids (it is older than 2.8)") from None
    except KafkaError as error:
        raise UnknownChangelogError(f"Kafka does not answer ({error!r})") from error


async def _ask(client_options: dict[str, Any], topic: str) -> ChangelogState:
    consumer = AIOKafkaConsumer(**client_options, enable_auto_commit=False)
    follow_cluster(consumer._client)
    try:
        await consumer.start()
        client = consumer._client  # the public methods send an older version of the request
        answer = await client.send(client.get_random_node(), Metadata([topic]))
        error_code, _, topic_id, _, partitions, _, _ = answer.topics[0]
        if error_code or topic_id == NO_ID:
            raise UnknownChangelogError(f"Kafka gives no topic id for {topic} (error {error_code})")
        ends = await consumer.end_offsets([TopicPartition(topic, index) for _, index, *_ in partitions])
    finally:
        await consumer.stop()
    return ChangelogState(str(topic_id), {tp.partition: end for tp, end in ends.items()})
