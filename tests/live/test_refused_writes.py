"""Kafka refuses for good what a running worker writes: a clear end, nothing lost, and on it goes when it is mended."""

import asyncio
import os
from time import monotonic

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from journeys.agents.kafka.connection import admin
from journeys.agents.kafka.topic_setup import check_topics
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.table_check import check_table
from journeys.agents.verify.table_rebuild import rebuild_table
from journeys.agents.worker.ports.worker_exit import WorkerExit
from journeys.schemas.topics import JOURNEY_LIFECYCLE, changelog_name, topic_map
from tests.fixtures.fresh_kafka import emptied, make_changelog_anew
from tests.fixtures.left_out import left_out
from tests.fixtures.topic_contents import DAY, HOUR, punctuation, touch

from .topic_exchange import append
from .verified import verified
from .worker_process import WorkerProcess

pytestmark = [pytest.mark.broker, pytest.mark.slow]

MAP = {topic.name: topic for topic in topic_map("journeys")}
CHANGELOG = changelog_name("journeys")
JOURNEYS = [f"journey-{number}" for number in range(200)]
SESSION_SECONDS = 3


@pytest.fixture
def settings(broker) -> Settings:
    """Settings with empty topics."""
    return emptied(broker, session_timeout_seconds=SESSION_SECONDS)


def last_words(worker: WorkerProcess) -> str:
    """Give the line with which a worker ends, with exit code 2."""
    assert worker.exit_code(60) == WorkerExit.SETUP, worker.told("did not end")
    assert "Traceback" not in worker.log, worker.told("did not know the error")
    (said,) = [line for line in worker.log.splitlines() if "worker ends: " in line]
    return said


async def set_limit(settings: Settings, topic: str, limit: int) -> None:
    """Set the size of the largest batch that a topic takes."""
    given = MAP[topic].settings | {"max.message.bytes": str(limit)}
    async with admin(settings) as client:
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=given)])


@pytest.mark.parametrize("topic", [CHANGELOG, JOURNEY_LIFECYCLE])
def test_a_topic_that_takes_no_large_batches_any_more(settings, workers, topic):
    """Which topic, what it should take, and the command that says how; nothing is lost, whichever step it meets."""
    worker = workers.start(settings)
    append(settings, punctuation(0), *(touch(name, 1, HOUR) for name in JOURNEYS))
    workers.wait_until_applied(settings)
    asyncio.run(set_limit(settings, topic, 1_000))
    append(settings, *(touch(name, 2, 40 * DAY) for name in JOURNEYS), punctuation(80 * DAY))
    said = last_words(worker)
    assert f"worker ends: {topic} refuses a batch as too large: its max.message.bytes" in said
    assert "should be at least 1048576; `journeys topics check` has the command" in said
    (problem,) = asyncio.run(check_topics(settings))
    assert f"--entity-name {topic} --add-config max.message.bytes=1048576" in problem.text
    asyncio.run(set_limit(settings, topic, 1_048_576))
    again = workers.start(settings)
    workers.wait_until_applied(settings)
    again.stop()
    report, _ = verified(settings)
    assert report.abandonments.equal == 2 * len(JOURNEYS)


async def rebuild_when_the_worker_has_left(settings: Settings) -> None:
    """Rebuild; a worker that has ended counts as a member until its session ends."""
    deadline = monotonic() + 10 * SESSION_SECONDS
    while True:
        try:
            await rebuild_table(settings)
            return
        except OperationError:
            if monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)


def test_a_changelog_that_is_created_anew_under_a_running_worker(settings, workers):
    """A worker that went on would leave a table without most journeys, and its next start would begin them again."""
    worker = workers.start(settings)
    append(settings, punctuation(0), *(touch(name, 1, HOUR) for name in JOURNEYS))
    workers.wait_until_applied(settings)
    asyncio.run(make_changelog_anew(settings))
    # Duplicates change no row of a journey: all that the new changelog gets is the row of the partition.
    append(settings, *(touch(name, 1, HOUR) for name in JOURNEYS))
    said = last_words(worker)
    assert "was deleted and created again" in said, "by the write, or by the look at the topics, whichever is first"
    assert "from the input topic with `journeys check --rebuild`" in said
    said = last_words(workers.start(settings))
    assert "the changelog lacks the beginning of partition " in said, "a supervisor starts it all the same"
    asyncio.run(rebuild_when_the_worker_has_left(settings))
    again = workers.start(settings)
    append(settings, punctuation(40 * DAY))
    workers.wait_until_applied(settings)
    assert asyncio.run(check_table(settings)).ok
    again.stop()
    report, _ = verified(settings)
    assert report.abandonments.equal == len(JOURNEYS)


@pytest.mark.skipif(not os.environ.get("JOURNEYS_TEST_LONG"), reason=left_out("long"))
def test_a_changelog_that_is_created_anew_and_gets_rows_of_journeys_first(settings, workers):
    """Without a row of its own a partition begins at the start of the input: the next worker does all of it again."""
    worker = workers.start(settings)
    append(settings, punctuation(0), *(touch(name, 1, HOUR) for name in JOURNEYS))
    workers.wait_until_applied(settings)
    asyncio.run(make_changelog_anew(settings))
    append(settings, *(touch(name, 2, 2 * HOUR) for name in JOURNEYS))
    assert "was deleted and created again" in last_words(worker)
    again = workers.start(settings)
    append(settings, punctuation(40 * DAY))
    workers.wait_until_applied(settings)
    assert asyncio.run(check_table(settings)).ok
    again.stop()
    report, _ = verified(settings)
    assert report.abandonments.equal == len(JOURNEYS)
    assert report.lifecycle.duplicates > 0
