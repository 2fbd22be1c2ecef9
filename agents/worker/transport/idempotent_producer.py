"""The worker's producer: idempotent, in order, acknowledged by all replicas."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from faust.transport.drivers import aiokafka as driver

from journeys.agents.kafka.followed_cluster import follow_cluster


class IdempotentProducer(driver.Producer):  # type: ignore[misc]  # Faust is not typed
    """Faust's producer, idempotent, with acks of all replicas, and without a time limit for batches."""

    def _new_producer(self) -> Any:
        producer = super()._new_producer()
        follow_cluster(producer.client)
        # An expired batch leaves a gap in the partition's sequence numbers, and Kafka refuses all batches after it.
        producer._message_accumulator._batch_ttl = inf
        return producer

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}
