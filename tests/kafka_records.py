"""Plain records in and out of a Kafka, for tests of the broker itself."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def create_topic(servers: str, topic: str) -> None:
    """Create a topic of one partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


async def topics(servers: str) -> list[str]:
    """Name the topics that exist."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        return await admin.list_topics()
    finally:
        await admin.close()


async def produce(servers: str, topic: str, value: bytes, timestamp_ms: int | None = None) -> None:
    """Append one record and wait for its acknowledgement."""
    producer = AIOKafkaProducer(bootstrap_servers=servers, max_request_size=6_000_000)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, partition=0, timestamp_ms=timestamp_ms)
    finally:
        await producer.stop()


async def consume(servers: str, topic: str, count: int) -> list[tuple[int, bytes]]:
    """Read `count` records from the beginning: (timestamp in ms, value)."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        records = [await asyncio.wait_for(consumer.getone(), 60) for _ in range(count)]
        return [(record.timestamp, record.value) for record in records]
    finally:
        await consumer.stop()


def values(servers: str, topic: str, count: int) -> list[bytes]:
    """Read the values of `count` records from the beginning."""
    return [value for _, value in asyncio.run(consume(servers, topic, count))]
