"""Writes audit records to the lifecycle topic."""

from __future__ import annotations

from aiokafka.errors import ClusterAuthorizationFailedError

from journeys.agents.kafka.connection import KafkaRequestError, producer
from journeys.agents.kafka.missing_rights import MissingRightsError
from journeys.agents.kafka.rights import Right
from journeys.agents.kafka.schema_registry import own_catalog
from journeys.agents.kafka.topic_setup import partition_count
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.partitioner import partition_of
from journeys.schemas.records import JourneyLifecycle
from journeys.schemas.topics import JOURNEY_LIFECYCLE


async def leave_audit(settings: Settings, record: JourneyLifecycle) -> None:
    """Append an audit record, and wait until all replicas have it.

    Raises UnknownTopicError, MissingRightsError, KafkaUnreachableError.
    """
    value = Codec(await own_catalog(settings)).encode(record)
    key = record.journey_id.encode()
    count = await partition_count(settings, JOURNEY_LIFECYCLE, "Write")
    name = settings.topic(JOURNEY_LIFECYCLE)
    try:
        async with producer(settings) as sender:
            await sender.send_and_wait(name, value, key, partition=partition_of(key, count))
    except KafkaRequestError as error:
        if isinstance(error.__cause__, ClusterAuthorizationFailedError):
            # Kafka refuses an idempotent producer that may not write to any topic.
            raise MissingRightsError(settings, [Right("Write", "topic", name)]) from error
        raise
