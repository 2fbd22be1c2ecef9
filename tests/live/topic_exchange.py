"""What a test says to workers, and what it hears from them: whole topics, for a few records."""

import asyncio
from typing import Any

from journeys.agents.settings.settings import Settings
from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.schemas.records import InputRecord, PolicyChanged
from journeys.schemas.topics import JOURNEY_ABANDONMENTS
from journeys.streams.rule.policy import Policy
from tests.fixtures.topic_contents import produce, read, read_inputs


def append(settings: Settings, *records: InputRecord) -> None:
    """Append records in their order: of journeys to their partitions, others to every partition."""
    asyncio.run(produce(settings, records))


def policy_changed(policy: Policy) -> PolicyChanged:
    """Make the record that puts a policy in force."""
    return PolicyChanged(policy.version, policy.to_json(), now_ms(), "test")


def inputs(settings: Settings) -> dict[int, list[InputRecord]]:
    """Decoded records of each partition of the input topic; all of them must be valid."""
    return asyncio.run(read_inputs(settings))


def published(settings: Settings, topic: str = JOURNEY_ABANDONMENTS) -> list[Any]:
    """Decoded records of an output topic, partition by partition."""
    codec = Codec()
    raws = asyncio.run(read(settings, topic))
    return [codec.decode(raw.value) for records in raws.values() for raw in records]
