"""A cluster: how topics are made there, and what goes on while a broker is away: partitions, clients, every door."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from journeys.agents.kafka.connection import admin, consumer, producer
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.kafka.record_producer import RecordProducer
from journeys.agents.kafka.topic_setup import TopicSetupError, check_topics, create_topics, require_topics
from journeys.agents.settings.settings import Settings
from journeys.schemas.topics import JOURNEY_EVENTS, changelog_name
from tests.chaos.traces import applied_offsets
from tests.cli.console_script import journeys
from tests.fixtures.fresh_kafka import delete_topics, emptied
from tests.fixtures.kafka_cluster import KafkaCluster
from tests.fixtures.topic_contents import DAY, HOUR, home, punctuation, touch
from tests.live.copy_process import CopyProcess
from tests.live.topic_exchange import append, published
from tests.live.verified import verified
from tests.live.worker_process import Workers
from training_orchestrator import JourneyTimeoutManager

pytestmark = [pytest.mark.broker, pytest.mark.slow]

ROUNDS = 12
# A client's own patience with a request is 40 s: who waits for that has not noticed that its broker was left.
NOTICED_SECONDS = 30.0


@pytest.fixture
def settings(cluster: KafkaCluster, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a cluster that is whole, without topics; what a test broke is mended afterwards."""
    asyncio.run(cluster.heal())
    given = cluster.settings(data_dir=tmp_path / "data", partitions=2)
    delete_topics(given)
    yield given
    asyncio.run(cluster.heal())


@contextmanager
def dead(cluster: KafkaCluster, number: int) -> Iterator[None]:
    """A broker is killed, and the cluster knows it."""

    async def is_known() -> bool:
        return number not in (await cluster.state()).brokers

    cluster.nodes[number].kill()
    asyncio.run(cluster.wait_until(is_known, f"broker {number} is left", 60))
    yield


async def changed(settings: Settings, topic: str, **given: str) -> None:
    """Change settings of a topic."""
    async with admin(settings) as client:
        values = {name.replace("_", "."): value for name, value in given.items()}
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=values)])


def test_row_12_topics_of_a_cluster_are_on_two_brokers_before_they_are_acknowledged(cluster, settings):
    """Created so, without a setting; one that asks for one broker only is an error that names it."""
    asyncio.run(create_topics(settings))
    assert asyncio.run(check_topics(settings)) == []
    asyncio.run(changed(settings, JOURNEY_EVENTS, min_insync_replicas="1", message_timestamp_type="LogAppendTime"))
    found = [
        (one.severity, one.topic, "min.insync.replicas=1" in one.text) for one in asyncio.run(check_topics(settings))
    ]
    assert ("error", JOURNEY_EVENTS, True) in found


def test_row_12_one_copy_on_a_cluster_is_refused_unless_it_is_meant(cluster, settings):
    """By the check and by a worker's start."""
    single = settings.model_copy(update={"replication_factor": 1})
    asyncio.run(create_topics(single))
    assert {one.severity for one in asyncio.run(check_topics(single))} == {"warning"}
    with pytest.raises(TopicSetupError, match="1 of 3 replicas on a cluster of 3 brokers"):
        asyncio.run(require_topics(settings.model_copy(update={"replication_factor": None})))


def test_a_log_moves_from_a_single_broker_to_a_cluster(broker, cluster, settings, tmp_path):
    """Copied with more partitions and replicas while a worker is at work; a worker of the cluster decides the same."""
    old = emptied(broker)
    new = settings.model_copy(update={"topic_prefix": "moved."})
    names = [f"journey-{number}" for number in range(200)]
    with Workers(tmp_path) as workers:
        worker = workers.start(old)
        append(old, punctuation(0), *(touch(name, 1, HOUR) for name in names))
        copy = CopyProcess(old, tmp_path, new, 8)
        copy.wait_until_said("level with")
        append(old, *(touch(name, 2, 2 * HOUR + at) for at, name in enumerate(names)), punctuation(20 * DAY))
        workers.wait_until_applied(old)
        worker.stop()
        result = copy.result()
        assert (copy.process.returncode, result["ok"], result["new_partitions"]) == (0, True, 8), result
        assert result["compared"]["equal"] == len(names)
        worker = workers.start(new)
        workers.wait_until_applied(new)
        worker.stop()
    verified(new)
    assert asyncio.run(check_topics(new)) == []
    assert {one.abandonment_id for one in published(new)} == {one.abandonment_id for one in published(old)}
    delete_topics(new)


def test_a_partition_that_waits_for_a_broker_keeps_no_other_from_being_applied(cluster, settings, tmp_path):
    """The changelog of partition 0 needs a broker that is dead; partition 1 is applied to its end all the while."""

    async def create() -> None:
        async with admin(settings) as client:
            places = {0: [2, 1], 1: [2, 3]}
            given = {"cleanup.policy": "compact", "min.insync.replicas": "2"}
            topic = NewTopic(changelog_name("journeys"), -1, -1, replica_assignments=places, topic_configs=given)
            await client.create_topics([topic])
        await create_topics(settings)

    async def write_and_wait() -> dict[int, int]:
        async with RecordProducer(settings) as client:
            for number in range(ROUNDS):
                for name in names:
                    await client.send(touch(name, number, HOUR + number))
                await client.flush()
        async with open_log(settings, JOURNEY_EVENTS, catalog=None) as log:
            ends = dict(log.end_offsets)
        deadline = monotonic() + 60
        while (applied := await applied_offsets(settings))[1] < ends[1]:
            assert monotonic() < deadline, f"{applied} of {ends} are applied\n{worker.log}"
            await asyncio.sleep(0.1)
        assert applied[0] < ends[0]
        return ends

    names = [next(name for name in map("j-{}".format, range(99)) if home(name, 2) == number) for number in (0, 1)]
    asyncio.run(create())
    with Workers(tmp_path) as workers:
        worker = workers.start(settings)
        append(settings, punctuation(0), *(touch(name, -1, 0) for name in names))
        workers.wait_until_applied(settings)
        with dead(cluster, 1):
            asyncio.run(write_and_wait())
        asyncio.run(cluster.heal())
        append(settings, punctuation(20 * DAY))
        workers.wait_until_applied(settings)
        worker.stop()
    report, _ = verified(settings)
    assert report.abandonments.equal == 2


def test_a_client_leaves_a_frozen_broker_when_the_cluster_has_left_it(cluster, settings):
    """A write and a read that waited for it come from its successor while it is still frozen."""

    async def write_and_read() -> None:
        await create_topics(settings)
        leader = await cluster.leader(JOURNEY_EVENTS, 0)
        async with producer(settings) as writer, consumer(settings, auto_offset_reset="earliest") as reader:
            await writer.send_and_wait(JOURNEY_EVENTS, b"before", partition=0)
            reader.subscribe([JOURNEY_EVENTS])
            assert (await reader.getone()).value == b"before"
            cluster.nodes[leader].freeze()
            async with asyncio.timeout(NOTICED_SECONDS):
                await writer.send_and_wait(JOURNEY_EVENTS, b"while it is frozen", partition=0)
                assert (await reader.getone()).value == b"while it is frozen"

    asyncio.run(write_and_read())


def test_a_client_starts_although_the_first_server_is_frozen(cluster, settings):
    """It asks the next one."""

    async def start() -> None:
        await create_topics(settings)
        first = next(iter(cluster.nodes.values()))
        assert settings.bootstrap_servers is not None
        assert settings.bootstrap_servers.startswith(first.bootstrap_servers)
        first.freeze()
        async with asyncio.timeout(NOTICED_SECONDS), consumer(settings) as client:
            assert JOURNEY_EVENTS in await client.topics()

    asyncio.run(start())


def test_every_door_opens_although_the_first_server_is_dead(cluster, settings, tmp_path):
    """Commands and the trainer's manager: records written before and after are there, live equals replay."""
    asyncio.run(create_topics(settings))
    environment = {
        "JOURNEYS_BOOTSTRAP_SERVERS": settings.bootstrap_servers or "",
        "JOURNEYS_REPLICATION_FACTOR": "3",
        "JOURNEYS_DATA_DIR": str(tmp_path / "data"),
    }

    def ran(*words: str, said: str | None = None) -> str:
        result = journeys(*words, cwd=tmp_path, env=environment, input=said)
        assert result.returncode == 0, f"{words}: {result.stdout}{result.stderr}"
        return result.stdout

    async def manage() -> None:
        async with JourneyTimeoutManager(bootstrap_servers=settings.bootstrap_servers) as manager:
            await manager.register_journey("by-manager")
            await manager.mark_abandoned("by-manager")

    with Workers(tmp_path) as workers:
        worker = workers.start(settings)
        worker.wait_until_logged("restored: partitions")
        with dead(cluster, 1):
            line = {"journey_id": "by-hand", "touchpoint_id": "one", "occurred_at": "2026-01-01T00:00:00Z", "cost": 1}
            ran("produce", "-", said=json.dumps(line) + "\n")
            asyncio.run(manage())
            workers.wait_until_applied(settings)
            ran("topics", "check")
            ran("verify")
            ran("check")
            assert "MANUAL_TERMINATION" in ran("show", "by-manager")
            worker.stop()
    verified(settings)
