"""What is written to and read from a topic in tests of its readers and writers, record by record."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from agents.kafka_connection import producer
from agents.log_reader import open_log
from agents.record_producer import RecordProducer
from agents.settings import Settings
from schemas.codec import Codec
from schemas.partitioner import partition_of
from schemas.records import InputRecord, PolicyChanged, Punctuation, Touchpoint
from schemas.topics import JOURNEY_EVENTS

START_AT = 1_760_000_000_000
HOUR = 3_600_000
DAY = 86_400_000


class Raw(NamedTuple):
    """One Kafka record to write."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def touch(journey_id: str, number: int, at: int, **more: Any) -> Touchpoint:
    """Make a touchpoint of a dollar; `at` is in milliseconds after START_AT."""
    return Touchpoint(journey_id, None, f"{journey_id}-{number}", START_AT + at, cost_micros=1_000_000, **more)


def punctuation(at: int, time_source: str = "simulated") -> Punctuation:
    """Make a punctuation; `at` is in milliseconds after START_AT."""
    return Punctuation(START_AT + at, time_source, "test")


def home(journey_id: str, partition_count: int = 4) -> int:
    """Partition of a journey."""
    return partition_of(journey_id.encode(), partition_count)


async def write(settings: Settings, raws: Iterable[Raw]) -> None:
    """Append records one batch after the other, in their order within each partition."""
    async with producer(settings, linger_ms=5, max_request_size=6_000_000) as client:
        sent = [
            await client.send(raw.topic, raw.value, raw.key, raw.partition, headers=list(raw.headers)) for raw in raws
        ]
        for acknowledgement in sent:
            await acknowledgement


async def produce(settings: Settings, records: Iterable[InputRecord]) -> None:
    """Append records in their order: of journeys to their partitions, time and policies to every partition."""
    async with RecordProducer(settings) as client:
        for record in records:
            if isinstance(record, Punctuation | PolicyChanged):
                await client.send_to_all(record)
            else:
                await client.send(record)


async def read(settings: Settings, topic: str = JOURNEY_EVENTS) -> dict[int, list[Any]]:
    """Records of each partition, as the log has them."""
    found: defaultdict[int, list[Any]] = defaultdict(list)
    async with open_log(settings, topic) as log:
        for partition in range(log.partition_count):
            found[partition] = []
            async for batch in log.read_partition(partition):
                found[partition].extend(batch.records)
    return dict(found)


async def read_inputs(settings: Settings) -> dict[int, list[Any]]:
    """Decoded records of each partition of the input topic."""
    codec = Codec()
    raws = await read(settings)
    return {partition: [codec.decode_input(raw.value) for raw in records] for partition, records in raws.items()}
