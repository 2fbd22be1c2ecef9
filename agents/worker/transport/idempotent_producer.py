"""The worker's producer: what it sends is stored once, in order, and on every replica."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from faust.transport.drivers import aiokafka as driver

from journeys.agents.worker.transport.metadata_questions import ask_in_peace


class IdempotentProducer(driver.Producer):  # type: ignore[misc]  # Faust is not typed
    """Faust's producer, with every write acknowledged by all replicas, none repeated by a retry and none given up."""

    def _new_producer(self) -> Any:
        producer = super()._new_producer()
        ask_in_peace(producer.client)
        # What is given up has its number in the partition's sequence, and Kafka refuses all that come after it.
        producer._message_accumulator._batch_ttl = inf
        return producer

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}
