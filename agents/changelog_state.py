"""What a changelog is now: which topic of that name, how many partitions, how far they go.

A topic that is deleted and created again keeps its name and loses its records. Kafka tells the two apart by a
topic id, in metadata of version 10 and later, which aiokafka does not speak: hence the few structures below.
"""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any, Final, NamedTuple
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Schema, TaggedFields

_ANSWER_SECONDS: Final = 2.0
_NO_ID: Final = UUID(int=0)


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
        answer = await client.send(client.get_random_node(), _Metadata(topic))
        error_code, _, topic_id, _, partitions, _, _ = answer.topics[0]
        if error_code or topic_id == _NO_ID:
            raise UnknownChangelogError(f"Kafka tells no topic id of {topic} (error {error_code})")
        ends = await consumer.end_offsets([TopicPartition(topic, index) for _, index, *_ in partitions])
    finally:
        await consumer.stop()
    return ChangelogState(str(topic_id), {tp.partition: end for tp, end in ends.items()})


class _Uuid(AbstractType):  # type: ignore[misc]  # aiokafka publishes no types
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


_TEXT = CompactString("utf-8")


class _MetadataResponseV10(Response):  # type: ignore[misc]  # aiokafka publishes no types
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), ("tags", TaggedFields)),
        ),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", _TEXT),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _MetadataRequestV10(RequestStruct):  # type: ignore[misc]  # aiokafka publishes no types
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _MetadataResponseV10
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", _TEXT), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _Metadata(Request[_MetadataRequestV10]):  # type: ignore[misc]  # aiokafka publishes no types
    API_KEY = 3

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_MetadataRequestV10]) -> _MetadataRequestV10:
        return request_struct_class([(_NO_ID, self._topic, {})], False, False, False, {})
