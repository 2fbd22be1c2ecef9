"""Dead letters of the sink: records that can't be written to BigQuery, unchanged, with the reason in headers."""

from __future__ import annotations

from typing import Any


class RefusedRows:
    """Produces them, each acknowledged before the sink goes on; a crash may repeat one (at least once)."""

    def __init__(self, producer: Any, topic: str) -> None:
        """`producer` is a started AIOKafkaProducer, `topic` the name in Kafka of their topic."""
        self.count = 0
        self._topic = topic
        self._producer = producer

    async def send(self, record: Any, reason: str) -> None:
        """Send one record, aiokafka's ConsumerRecord."""
        headers = {
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
            "reason": reason,
        }
        await self._producer.send_and_wait(
            self._topic,
            record.value,
            record.key,
            headers=[(name, text.encode()) for name, text in headers.items()],
        )
        self.count += 1
