"""How clients connect, and what they say when nobody is there."""

import asyncio
import logging
import socket
from contextlib import closing
from time import monotonic

import pytest
import stamina
from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions
from aiokafka.errors import GroupLoadInProgressError

from journeys.agents.kafka.connection import (
    KafkaRequestError,
    KafkaUnreachableError,
    admin,
    bootstrap_servers,
    consumer,
    require_broker,
)
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.kafka.topic_setup import check_topics
from journeys.agents.settings.settings import Settings
from journeys.schemas.topics import JOURNEY_EVENTS
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.left_out import left_out
from tests.fixtures.topic_contents import Raw, write


def settings_for(servers: str | None, **more) -> Settings:
    """Settings that nothing around the test has a part in."""
    return Settings(_env_file=None, bootstrap_servers=servers, **more)


def closed_port() -> int:
    """Port of this machine at which nobody listens."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_closed_port_is_named_at_once_and_aiokafka_says_nothing(caplog):
    """One clear line instead of aiokafka's errors, long before its own time limit."""
    servers = f"127.0.0.1:{closed_port()}"
    began = monotonic()
    with caplog.at_level(logging.DEBUG), pytest.raises(KafkaUnreachableError) as raised:
        asyncio.run(check_topics(settings_for(servers)))
    assert str(raised.value) == (
        f"no broker answers at {servers}; start one with `journeys broker start` or set JOURNEYS_BOOTSTRAP_SERVERS"
    )
    assert monotonic() - began < 5
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.slow
def test_a_server_that_never_answers_is_given_up_in_seconds():
    """A port that takes connections is not yet a Kafka."""
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = monotonic()
        with pytest.raises(KafkaUnreachableError, match="no broker answers"):
            asyncio.run(require_broker(settings_for(f"127.0.0.1:{silent.getsockname()[1]}")))
    assert monotonic() - began < 10


def test_a_server_that_is_no_address_is_unreachable():
    """A port that is no number ends in the same line, not in a traceback."""
    with pytest.raises(KafkaUnreachableError, match="no broker answers at kafka:abc"):
        asyncio.run(require_broker(settings_for("kafka:abc")))


def test_without_any_server_the_line_says_what_to_do(tmp_path, monkeypatch):
    """Nothing configured, nothing started."""
    monkeypatch.delenv("JOURNEYS_BOOTSTRAP_SERVERS", raising=False)
    with pytest.raises(KafkaUnreachableError, match="no Kafka is configured; start one with `journeys broker start`"):
        asyncio.run(bootstrap_servers(settings_for(None, data_dir=tmp_path)))


@pytest.mark.broker
def test_without_a_configured_server_the_broker_for_development_is_taken(broker, tmp_path, monkeypatch):
    """`journeys broker start` is all that the other commands need."""
    if broker.directory is None:
        pytest.skip(left_out("own-kafka"))
    monkeypatch.delenv("JOURNEYS_BOOTSTRAP_SERVERS", raising=False)
    (tmp_path / "kafka").symlink_to(broker.directory)
    assert bootstrap_servers(settings_for(None, data_dir=tmp_path)) == broker.bootstrap_servers


@pytest.mark.broker
def test_what_the_broker_refuses_is_one_line(broker):
    """An error of Kafka's own names the server and what it said."""

    async def ask_in_vain() -> None:
        async with admin(settings_for(broker.bootstrap_servers)) as client:
            await client.create_partitions({"no-such-topic": NewPartitions(2)})

    with pytest.raises(KafkaRequestError, match=f"Kafka at {broker.bootstrap_servers}"):
        asyncio.run(ask_in_vain())


@pytest.mark.broker
@pytest.mark.slow
def test_a_broker_that_dies_while_its_log_is_read_is_unreachable_and_nobody_hangs(broker):
    """A reader in the middle of a log finds out by itself."""
    if broker.directory is None:
        pytest.skip(left_out("own-kafka"))
    settings = emptied(broker)

    async def read_on() -> None:
        await write(settings, [Raw(JOURNEY_EVENTS, 0, b"k", b"v")])
        async with open_log(settings, JOURNEY_EVENTS, stall_seconds=2) as log:
            assert [len(batch.records) async for batch in log.read_partition(0)] == [1]
            broker.kill()
            async for _ in log.read_partition(0, end=2):
                pass

    try:
        with pytest.raises(KafkaUnreachableError, match="no broker answers"):
            asyncio.run(read_on())
    finally:
        broker.restart()


@pytest.mark.broker
def test_a_consumer_has_no_group_and_no_automatic_commit(broker):
    """Readers leave no trace in the broker."""
    settings = emptied(broker, application_id="reader-without-trace")

    async def read_one() -> None:
        await write(settings, [Raw(JOURNEY_EVENTS, 0, b"k", b"v")])
        async with consumer(settings, auto_offset_reset="earliest") as client:
            client.assign([TopicPartition(JOURNEY_EVENTS, 0)])
            assert (await client.getone()).value == b"v"

    # Kafka makes its topic of groups when the first of them is asked for, by whatever test that is, and lists none
    # before it has read all partitions of that topic.
    @stamina.retry(on=GroupLoadInProgressError, attempts=None, timeout=60)
    async def listed(client) -> set[str]:
        return {name for name, _ in await client.list_consumer_groups()}

    async def groups() -> set[str]:
        async with admin(settings) as client:
            return await listed(client)

    asyncio.run(read_one())
    assert "reader-without-trace" not in asyncio.run(groups())
