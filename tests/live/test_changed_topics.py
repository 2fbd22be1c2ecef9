"""Topics that are replaced, recounted, cut or lost, under a running worker and while none runs.

The worker ends with exit code 2 and a line that says what to do; and what the line says to do works.
"""

import asyncio
from time import monotonic

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions, RecordsToDelete

from journeys.agents.inspect.audit import audit_record
from journeys.agents.inspect.stored_topics import check_topics_and_table
from journeys.agents.kafka.connection import admin
from journeys.agents.kafka.group_members import members
from journeys.agents.kafka.log_reader import RecordsDeletedError, TopicReplacedError, tail
from journeys.agents.kafka.topic_setup import create_topics, partition_counts
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.table_check import check_table
from journeys.agents.verify.table_rebuild import rebuild_table
from journeys.agents.verify.verification import verify
from journeys.agents.worker.ports.worker_exit import WorkerExit
from journeys.schemas.topics import (
    DEAD_LETTERS,
    JOURNEY_ABANDONMENTS,
    JOURNEY_EVENTS,
    JOURNEY_LIFECYCLE,
    changelog_name,
)
from tests.fixtures.fresh_kafka import delete_one_topic, emptied
from tests.fixtures.topic_contents import DAY, HOUR, punctuation, touch

from .topic_exchange import append, published
from .verified import verified

pytestmark = [pytest.mark.broker, pytest.mark.slow]

NAMES = [f"journey-{number}" for number in range(20)]
CHANGELOG = changelog_name("journeys")


@pytest.fixture
def settings(broker):
    """Settings of a Kafka with empty topics."""
    return emptied(broker)


def begin(settings: Settings, workers):
    """Start a worker, and have it apply a touchpoint of each journey."""
    worker = workers.start(settings)
    append(settings, punctuation(0), *(touch(name, 1, HOUR) for name in NAMES))
    workers.wait_until_applied(settings)
    return worker


def last_words(worker) -> str:
    """The one line with which it ended by itself, with exit code 2."""
    assert worker.exit_code(60) == WorkerExit.SETUP, worker.told("did not end as it should")
    said = [line for line in worker.log.splitlines() if line.startswith("journeys: ") or "worker ends: " in line]
    assert len(said) == 1, worker.told("did not say it in one line")
    return said[0]


async def add_partitions(settings: Settings, name: str, count: int) -> None:
    """Raise a topic's number of partitions."""
    async with admin(settings) as client:
        await client.create_partitions({name: NewPartitions(count)})
    deadline = monotonic() + 30
    while (await partition_counts(settings))[name] != count:
        assert monotonic() < deadline, "partitions were not added"
        await asyncio.sleep(0.05)


async def make_anew(settings: Settings, name: str) -> None:
    """Delete a topic and create it again."""
    await delete_one_topic(settings, name)
    await create_topics(settings)


@pytest.mark.parametrize("name", [JOURNEY_EVENTS, JOURNEY_ABANDONMENTS, DEAD_LETTERS, CHANGELOG])
def test_row_7_partitions_added_under_a_running_worker(settings, workers, name):
    """Of whichever topic: the worker ends at once, and does not start again."""
    worker = begin(settings, workers)
    asyncio.run(add_partitions(settings, name, 6))
    said = last_words(worker)
    assert f"{name} has 6 partitions, it had 4 when this worker began" in said
    assert "`journeys topics copy NEW.env --partitions 6`" in said
    assert worker.exit_code() == WorkerExit.SETUP
    line = last_words(workers.start(settings))
    assert "one count must hold for all" in line
    assert "journeys topics copy" in line


@pytest.mark.parametrize("name", [JOURNEY_EVENTS, JOURNEY_LIFECYCLE, CHANGELOG])
def test_a_topic_that_is_created_anew_under_a_running_worker(settings, workers, name):
    """The name is the same, and all that was in it is gone."""
    worker = begin(settings, workers)
    asyncio.run(make_anew(settings, name))
    said = last_words(worker)
    # By its id, or by its end at the seek of the rebalance that the change brings about, whichever is first.
    assert name in said
    assert "was deleted and created again" in said
    assert ("`journeys check --rebuild`" if name == CHANGELOG else "a new JOURNEYS_APPLICATION_ID") in said


def test_a_topic_that_is_deleted_under_a_running_worker(settings, workers):
    """It would wait for the topic for ever."""
    worker = begin(settings, workers)
    asyncio.run(delete_one_topic(settings, JOURNEY_ABANDONMENTS))
    assert f"the topic {JOURNEY_ABANDONMENTS} was deleted: " in last_words(worker)


def test_row_8_an_input_topic_that_was_created_anew_while_no_worker_ran(settings, workers):
    """Longer than before, so that no offset gives it away; every reader says so; the advice loses nothing."""
    begin(settings, workers).stop()
    asyncio.run(make_anew(settings, JOURNEY_EVENTS))
    for number in range(4):
        append(settings, punctuation(number), *(touch(f"new-{name}", number, HOUR + number) for name in NAMES))
    append(settings, punctuation(40 * DAY))
    said = last_words(workers.start(settings))
    assert f"{JOURNEY_EVENTS} is another topic than the one that the table was made with" in said

    assert said.partition("worker ends: ")[2].partition(" (exit")[0] in {
        problem.text for problem in asyncio.run(check_topics_and_table(settings))
    }
    report = asyncio.run(verify(settings))
    assert not report.ok
    assert [line.partition(" ")[0] for line in report.replaced] == [JOURNEY_EVENTS]
    checked = asyncio.run(check_table(settings))
    assert not checked.ok
    assert JOURNEY_EVENTS in checked.differences[0]

    anew = settings.model_copy(update={"application_id": "journeys-2"})
    worker = workers.start(anew, application_id="journeys-2")
    worker.wait_until_logged("restored: partitions")
    workers.wait_until_applied(anew)
    worker.stop()
    report = asyncio.run(verify(anew))
    assert report.abandonments.missing == report.lifecycle.missing == 0
    assert report.abandonments.equal == len(NAMES)
    assert asyncio.run(check_table(anew)).ok
    asyncio.run(delete_one_topic(anew, changelog_name("journeys-2")))


def test_an_input_topic_that_was_created_anew_can_be_begun_by_a_rebuild(settings, workers):
    """`check --rebuild` believes no offset that the group has committed in the topic before."""
    begin(settings, workers).stop()
    asyncio.run(make_anew(settings, JOURNEY_EVENTS))
    append(settings, punctuation(0), *(touch(name, 2, 2 * HOUR) for name in NAMES * 2), punctuation(40 * DAY))
    workers.wait_until(lambda: not asyncio.run(members(settings)), "the worker did not leave the group")
    report = asyncio.run(rebuild_table(settings))
    assert report.never_committed == [0, 1, 2, 3]
    worker = workers.start(settings)
    workers.wait_until_applied(settings)
    worker.stop()
    assert asyncio.run(verify(settings)).abandonments.missing == 0


def test_an_output_topic_that_was_created_anew_is_filled_again(settings, workers):
    """A new application id publishes all of it once more, under the same ids."""
    worker = begin(settings, workers)
    append(settings, punctuation(40 * DAY))
    workers.wait_until_applied(settings)
    worker.stop()
    asyncio.run(make_anew(settings, JOURNEY_ABANDONMENTS))
    assert f"{JOURNEY_ABANDONMENTS} is another topic" in last_words(workers.start(settings))
    anew = settings.model_copy(update={"application_id": "journeys-2"})
    worker = workers.start(anew, application_id="journeys-2")
    worker.wait_until_logged("restored: partitions")
    workers.wait_until_applied(anew)
    worker.stop()
    report, _ = verified(anew)
    assert report.abandonments.equal == len(NAMES)
    asyncio.run(delete_one_topic(anew, changelog_name("journeys-2")))


async def delete_records(settings: Settings, before: int) -> None:
    """Delete the first records of each partition of the input topic."""
    async with admin(settings) as client:
        tps = {TopicPartition(JOURNEY_EVENTS, number): RecordsToDelete(before) for number in range(4)}
        await client.delete_records(tps)


def test_row_9_a_head_that_was_trimmed_and_a_changelog_that_is_lost(settings, workers, cli, monkeypatch):
    """The worker does not decide from the middle; who must, says so by name, and leaves an audit."""
    begin(settings, workers).stop()
    append(settings, *(touch(name, 2, 2 * HOUR) for name in NAMES))
    asyncio.run(delete_records(settings, 2))
    asyncio.run(make_anew(settings, CHANGELOG))
    said = last_words(workers.start(settings))
    assert "] begins at offset 2, there is no table of what stood before" in said
    assert "`journeys check --rebuild --without-deleted-records --note WHY`" in said

    workers.wait_until(lambda: not asyncio.run(members(settings)), "the worker that ended did not leave the group")
    monkeypatch.setenv("JOURNEYS_BOOTSTRAP_SERVERS", settings.bootstrap_servers)
    assert cli("check", "--rebuild").exit_code == 2
    refused = cli("check", "--rebuild", "--without-deleted-records")
    assert refused.exit_code == 2
    assert "--note" in refused.stderr
    done = cli("check", "--rebuild", "--without-deleted-records", "--note", "no copy is left", "--json")
    assert done.exit_code == 0, done.output
    (audit,) = [one for one in published(settings, JOURNEY_LIFECYCLE) if "no copy is left" in (one.note or "")]
    assert audit.kind == audit_record("check", "*", None, None).kind
    assert audit.note == "rebuilt without deleted records: no copy is left"
    worker = workers.start(settings)
    append(settings, punctuation(40 * DAY))
    workers.wait_until_applied(settings)
    worker.stop()
    assert {one.journey_id for one in published(settings)} == set(NAMES)


def test_records_that_are_deleted_before_they_are_applied(settings, workers):
    """Retention has cut the log above the table's offset."""
    begin(settings, workers).stop()
    for number in range(2, 6):
        append(settings, *(touch(name, number, number * HOUR) for name in NAMES))
    asyncio.run(delete_records(settings, -1))
    said = last_words(workers.start(settings))
    assert "records were deleted before they were applied" in said
    assert "`journeys check --rebuild --without-deleted-records --note WHY`" in said
    with pytest.raises(RecordsDeletedError):
        asyncio.run(verify(settings))


def test_a_reader_that_follows_a_topic_learns_that_it_was_replaced(settings, monkeypatch):
    """Feeds, managers and `watch` read by this: a position in the topic before means nothing in this one."""
    monkeypatch.setattr("journeys.agents.kafka.log_reader._LOOK_SECONDS", 0.2)

    async def follow() -> None:
        async for _ in tail(settings, [JOURNEY_ABANDONMENTS], catalog=None):
            pass

    async def replaced() -> None:
        following = asyncio.create_task(follow())
        await asyncio.sleep(3)
        await make_anew(settings, JOURNEY_ABANDONMENTS)
        await asyncio.wait_for(following, 30)

    with pytest.raises(TopicReplacedError, match="was deleted and created again"):
        asyncio.run(replaced())

    async def from_beyond() -> None:
        async for _ in tail(
            settings, [JOURNEY_ABANDONMENTS], catalog=None, start_offsets={(JOURNEY_ABANDONMENTS, 1): 7}
        ):
            pass

    with pytest.raises(TopicReplacedError, match=r"\[1\] ends at offset 0 and was read up to 7"):
        asyncio.run(from_beyond())
