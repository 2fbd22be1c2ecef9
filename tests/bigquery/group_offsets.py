"""How far a consumer group has come: what tests wait for, as the emulator can't be asked while rows are written."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from journeys.agents.kafka.connection import KafkaRequestError, admin
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.settings.settings import Settings


def committed(settings: Settings, group: str, topics: Collection[str]) -> int:
    """Sum of the offsets that a group has committed of some topics."""

    async def read() -> int:
        async with admin(settings) as asked:
            found = await asked.list_consumer_group_offsets(group)
        return sum(max(0, said.offset) for tp, said in found.items() if tp.topic in topics)

    try:
        return asyncio.run(read())
    except KafkaRequestError:  # of a fresh Kafka nobody has asked for a group yet
        return 0


def message_count(settings: Settings, *topics: str) -> int:
    """Messages that topics hold."""

    async def read() -> int:
        total = 0
        for topic in topics:
            async with open_log(settings, topic, catalog=None) as log:
                total += sum(log.end_offsets.values())
        return total

    return asyncio.run(read())
