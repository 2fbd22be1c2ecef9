"""What a changelog is now: which topic of that name, how many partitions, how far they go.

A topic that is deleted and created again keeps its name and loses its records. Kafka tells the two apart by a
topic id.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError

from journeys.agents.kafka.metadata import NO_ID, Metadata

_ANSWER_SECONDS: Final = 2.0


class UnknownChangelogError(Exception):
    """Kafka does not say what the changelog is. The text says why."""


class ChangelogState(NamedTuple):
    """A changelog topic at one moment."""

    topic_id: str
    ends: dict[int, int]
    """By partition, the offset that the next record gets."""

    @property
    def partition_count(self) -> int:
        """Partitions of the topic."""
        return len(self.ends)


async def changelog_state(client_options: dict[str, Any], topic: str) -> ChangelogState:
    """Ask Kafka; takes at most a few seconds, because a rebalance waits for it and heartbeats don't go on meanwhile.

    Raises UnknownChangelogError where it does not answer, or is too old (before 2.8) to know topic ids.
    """
    try:
        return await asyncio.wait_for(_ask(client_options, topic), _ANSWER_SECONDS)
    except TimeoutError:
        raise UnknownChangelogError(f"Kafka did not answer within {_ANSWER_SECONDS:g} s") from None
    except (IncompatibleBrokerVersion, NotImplementedError):
        raise UnknownChangelogError("this Kafka knows no topic ids") from None
    except KafkaError as error:
        raise UnknownChangelogError(f"Kafka does not answer ({error!r})") from error


async def _ask(client_options: dict[str, Any], topic: str) -> ChangelogState:
    consumer = AIOKafkaConsumer(**client_options, enable_auto_commit=False)
    try:
        await consumer.start()
        client = consumer._client  # what it offers in public speaks the old version
        answer = await client.send(client.get_random_node(), Metadata([topic]))
        error_code, _, topic_id, _, partitions, _, _ = answer.topics[0]
        if error_code or topic_id == NO_ID:
            raise UnknownChangelogError(f"Kafka tells no topic id of {topic} (error {error_code})")
        ends = await consumer.end_offsets([TopicPartition(topic, index) for _, index, *_ in partitions])
    finally:
        await consumer.stop()
    return ChangelogState(str(topic_id), {tp.partition: end for tp, end in ends.items()})
