"""Topics of a test's own: the fixed names of the topic map, emptied before each test."""

import asyncio
from time import monotonic
from typing import Any

import pytest
from aiokafka.admin import NewTopic

from agents.broker import Broker
from agents.kafka_connection import admin
from agents.settings import Settings
from agents.topic_setup import create_topics
from schemas.topics import changelog_name, topic_map

_GONE_SECONDS = 30.0


def bare(broker: Broker, **more: Any) -> Settings:
    """Settings for a Kafka without any topic of the topic map; skips where those may be somebody's."""
    settings = Settings(_env_file=None, bootstrap_servers=broker.bootstrap_servers, **more)
    asyncio.run(_delete_topics(settings, may_delete=broker.kind != "configured"))
    return settings


def delete_topics(settings: Settings) -> None:
    """Delete every topic of the topic map, of a Kafka that is the test's own."""
    asyncio.run(_delete_topics(settings, may_delete=True))


def emptied(broker: Broker, **more: Any) -> Settings:
    """Settings for a Kafka with all topics of the topic map, empty."""
    settings = bare(broker, **more)
    asyncio.run(create_topics(settings))
    return settings


async def make_changelog_anew(settings: Settings) -> None:
    """Delete the changelog under the feet of whoever works with it, and create it empty, under the same name."""
    await delete_one_topic(settings, changelog_name(settings.application_id))
    await create_topics(settings)


async def create_by_hand(settings: Settings, topics: dict[str, tuple[int, dict[str, str]]]) -> None:
    """Create topics as somebody did who has not read the topic map: partitions and settings by name."""
    async with admin(settings) as client:
        wanted = [NewTopic(name, count, 1, topic_configs=given) for name, (count, given) in topics.items()]
        await client.create_topics(wanted)
        deadline = monotonic() + 30
        while not topics.keys() <= set(await client.list_topics()):
            assert monotonic() < deadline, f"{list(topics)} were not created"
            await asyncio.sleep(0.05)


async def _delete_topics(settings: Settings, *, may_delete: bool) -> None:
    names = {topic.name for topic in topic_map(settings.application_id)}
    async with admin(settings) as client:
        there = names.intersection(await client.list_topics())
        if there and not may_delete:
            pytest.skip(f"the configured Kafka holds {', '.join(sorted(there))}, which this test would delete")
        if there:
            await client.delete_topics(sorted(there))
        await _until_gone(client, names)


async def delete_one_topic(settings: Settings, name: str) -> None:
    """Delete a topic that is there, whoever works with it."""
    async with admin(settings) as client:
        await client.delete_topics([name])
        await _until_gone(client, {name})


async def _until_gone(client: Any, names: set[str]) -> None:
    deadline = monotonic() + _GONE_SECONDS
    while there := names.intersection(await client.list_topics()):
        assert monotonic() < deadline, f"{there} were not deleted"
        await asyncio.sleep(0.05)
