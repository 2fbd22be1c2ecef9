"""What is known to go wrong in Faust, done to a real worker (docs/faust-traps.md)."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from time import monotonic

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from journeys.agents.kafka.connection import admin
from journeys.agents.kafka.group_lag import group_lag
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.settings.settings import Settings
from journeys.agents.worker.ports.worker_exit import WorkerExit
from journeys.schemas.codec import Codec
from journeys.schemas.topics import JOURNEY_EVENTS, changelog_name, topic_map
from tests.cli.console_script import ENVIRONMENT
from tests.fixtures.fresh_kafka import bare, create_by_hand, emptied
from tests.fixtures.pure_worker import work_through
from tests.fixtures.topic_contents import DAY, HOUR, Raw, home, punctuation, read, touch, write

from .topic_exchange import append
from .verified import verified

pytestmark = [pytest.mark.broker, pytest.mark.slow]

MAP = {topic.name: topic for topic in topic_map("journeys")}
CHANGELOG = changelog_name("journeys")
JOURNEYS = [f"journey-{number}" for number in range(200)]
CODEC = Codec()
UNFETCHED_WORKER = Path(__file__).with_name("unfetched_worker.py")


def raw(record) -> Raw:
    """Make the Kafka record of a touchpoint."""
    return Raw(JOURNEY_EVENTS, home(record.journey_id), record.journey_id.encode(), CODEC.encode(record))


def test_an_empty_changelog_partition_beside_full_ones(broker, workers):
    """It is restored at once, with the others, and its journeys are taken like all."""
    settings = emptied(broker)
    full = (0, 1, 3)
    first = [Raw(JOURNEY_EVENTS, number, None, CODEC.encode(punctuation(0))) for number in full]
    early = [raw(touch(name, 1, HOUR)) for name in JOURNEYS if home(name) in full]
    asyncio.run(write(settings, [*first, *early]))
    asyncio.run(work_through(settings, lambda raws: [one for one in raws if one.partition in full]))
    assert [len(records) > 0 for _, records in sorted(asyncio.run(read(settings, CHANGELOG)).items())] == [
        True,
        True,
        False,
        True,
    ]
    asyncio.run(write(settings, [Raw(JOURNEY_EVENTS, 2, None, CODEC.encode(punctuation(0)))]))
    worker = workers.start(settings)
    worker.wait_until_logged("restored: partitions [0, 1, 2, 3]")
    assert f", {len(early)} journeys, " in worker.log
    append(settings, *(touch(name, 2, 2 * HOUR) for name in JOURNEYS), punctuation(20 * DAY))
    workers.wait_until_applied(settings)
    worker.stop()
    report, _ = verified(settings)
    assert report.abandonments.equal == len(JOURNEYS)


async def compact_eagerly(settings: Settings) -> None:
    """Let this broker's cleaner look every few hundred milliseconds, not every 15 s."""
    async with admin(settings) as client:
        given = {"log.cleaner.backoff.ms": "200"}
        await client.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", configs=given)])


async def wait_until_compacted(settings: Settings) -> int:
    """Wait until each partition of the changelog has holes; gives how many records are left of it."""
    deadline = monotonic() + 90
    while True:
        records = await read(settings, CHANGELOG)
        async with open_log(settings, CHANGELOG, catalog=None) as log:
            ends = log.end_offsets
        if all(len(records[number]) < ends[number] for number in ends):
            return sum(map(len, records.values()))
        assert monotonic() < deadline, "the broker has compacted nothing"
        await asyncio.sleep(0.2)


def test_a_compacted_changelog(broker, workers):
    """Offsets that are gone, at the beginning and in between, are no reason to wait or to read anything twice."""
    settings = bare(broker, session_timeout_seconds=3)
    eager = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", "segment.ms": "50"}
    asyncio.run(
        create_by_hand(settings, {name: (4, topic.settings) for name, topic in MAP.items() if name != CHANGELOG})
    )
    asyncio.run(create_by_hand(settings, {CHANGELOG: (4, eager)}))
    asyncio.run(compact_eagerly(settings))
    first = workers.start(settings)
    append(settings, punctuation(0))
    for hour in range(1, 5):
        append(settings, *(touch(name, hour, hour * HOUR) for name in JOURNEYS))
        workers.wait_until_applied(settings)
    first.stop()
    left = asyncio.run(wait_until_compacted(settings))
    again = workers.start(settings)
    again.wait_until_logged("restored: partitions [0, 1, 2, 3]")
    (said,) = re.findall(r"(\d+) changelog records \(0 stale\), (\d+) journeys, ", again.log)
    assert int(said[0]) <= left
    assert int(said[1]) == len(JOURNEYS)
    append(settings, *(touch(name, 5, 5 * HOUR) for name in JOURNEYS[::2]), punctuation(20 * DAY))
    workers.wait_until_applied(settings)
    again.stop()
    report, _ = verified(settings)
    assert report.abandonments.equal == len(JOURNEYS)


async def lag(settings: Settings) -> int:
    """Input records that the group has not committed."""
    async with open_log(settings, JOURNEY_EVENTS, catalog=None) as log:
        behind = await group_lag(settings, log.end_offsets)
        return sum(log.end_offsets[number] if one is None else one for number, one in behind.items())


def test_commits_go_on_after_every_rebalance(broker, workers):
    """A worker joins, one is killed: each time all that is applied is committed while they run."""
    settings = emptied(broker, session_timeout_seconds=3)

    def work(hour: int) -> None:
        append(settings, *(touch(name, hour, hour * HOUR) for name in JOURNEYS))
        workers.wait_until_applied(settings)
        workers.wait_until(lambda: asyncio.run(lag(settings)) == 0, "not all that is applied was committed", 30)

    append(settings, punctuation(0))
    first = workers.start(settings)
    work(1)
    second = workers.start(settings)
    second.wait_until_logged("restored: partitions [")
    work(2)
    first.kill()
    work(3)
    second.stop()
    report, _ = verified(settings)
    assert report.counts.applied == 3 * len(JOURNEYS)


def test_a_partition_that_is_silently_not_fetched_ends_the_worker(broker, tmp_path):
    """With exit code 73 and the partition, its end and where it stands; the others were worked on."""
    settings = emptied(broker)
    append(settings, punctuation(0), *(touch(name, 1, HOUR) for name in JOURNEYS))
    environment = ENVIRONMENT | {
        "JOURNEYS_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "PYTHONPATH": str(UNFETCHED_WORKER.parent.parent.parent),
    }
    ended = subprocess.run(
        [sys.executable, UNFETCHED_WORKER, "worker"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ended.returncode == WorkerExit.STALLED == 73, ended.stdout + ended.stderr
    end = 1 + sum(home(name) == 0 for name in JOURNEYS)
    said = rf"worker ends: journey-events\[0\] ends at {end}, nothing beyond 0 was fetched for \d s \(exit 73\)"
    assert re.search(said, ended.stdout + ended.stderr), ended.stdout + ended.stderr
    rows = asyncio.run(read(settings, CHANGELOG))
    assert [len(rows[number]) > 10 for number in range(4)] == [False, True, True, True]
