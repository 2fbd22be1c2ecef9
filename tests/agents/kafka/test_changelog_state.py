"""What Kafka says of a changelog: which topic it is, and how far it goes."""

import asyncio
import socket
from contextlib import closing
from time import monotonic

import pytest

from journeys.agents.kafka.changelog_state import ChangelogState, UnknownChangelogError, changelog_state
from journeys.agents.settings.settings import Settings
from journeys.schemas.topics import changelog_name
from tests.fixtures.fresh_kafka import bare, create_by_hand, emptied
from tests.fixtures.topic_contents import Raw, write

CHANGELOG = changelog_name("journeys")


def told(settings: Settings) -> ChangelogState:
    """What Kafka says now."""
    return asyncio.run(changelog_state({"bootstrap_servers": settings.bootstrap_servers}, CHANGELOG))


@pytest.mark.broker
def test_a_topic_that_is_created_anew_is_another_one(broker):
    """Same name, same partitions, same length: the id tells, and stays the same while the topic does."""
    settings = emptied(broker)
    asyncio.run(write(settings, [Raw(CHANGELOG, 2, b"key", b"value")] * 3))
    first = told(settings)
    assert (first.partition_count, first.ends) == (4, {0: 0, 1: 0, 2: 3, 3: 0})
    assert told(settings) == first
    emptied(broker)
    asyncio.run(write(settings, [Raw(CHANGELOG, 2, b"key", b"value")] * 3))
    second = told(settings)
    assert second.ends == first.ends
    assert second.topic_id != first.topic_id


@pytest.mark.broker
def test_a_topic_that_is_not_there_has_no_state(broker):
    """And asking for it creates none."""
    settings = bare(broker)
    for _ in range(2):
        with pytest.raises(UnknownChangelogError, match=f"Kafka gives no topic id for {CHANGELOG}"):
            told(settings)
    asyncio.run(create_by_hand(settings, {CHANGELOG: (2, {})}))
    assert told(settings).partition_count == 2


@pytest.mark.slow
def test_a_kafka_that_is_away_is_said_soon():
    """A rebalance waits for the answer, without heartbeats."""
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # takes connections and never says a word
        settings = Settings(_env_file=None, bootstrap_servers=f"127.0.0.1:{silent.getsockname()[1]}")
        began = monotonic()
        with pytest.raises(UnknownChangelogError, match="Kafka did not answer within 2 s"):
            told(settings)
        assert monotonic() - began < 5
    with pytest.raises(UnknownChangelogError, match="Kafka does not answer"):
        told(settings)
