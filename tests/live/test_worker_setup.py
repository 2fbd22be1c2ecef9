"""A worker that can't do its work right does none: one clear line and exit code 2. And it ends well when asked to."""

import asyncio
import socket
from contextlib import closing
from time import monotonic

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions, RecordsToDelete

from journeys.agents.kafka.connection import admin
from journeys.agents.kafka.topic_setup import check_topics, partition_counts
from journeys.agents.settings.settings import Settings
from journeys.agents.worker.ports.worker_exit import WorkerExit
from journeys.schemas.topics import JOURNEY_EVENTS, JOURNEY_LIFECYCLE, changelog_name, topic_map
from tests.fixtures.fresh_kafka import bare, create_by_hand, delete_one_topic, emptied
from tests.fixtures.topic_contents import punctuation, read, touch

from .topic_exchange import append
from .verified import verified
from .worker_process import WorkerProcess

pytestmark = [pytest.mark.broker, pytest.mark.slow]

MAP = {topic.name: topic for topic in topic_map("journeys")}
CHANGELOG = changelog_name("journeys")
SOME_JOURNEYS = [touch(f"journey-{number}", 1, number) for number in range(20)]


def refusal(worker: WorkerProcess, code: WorkerExit = WorkerExit.SETUP) -> str:
    """Give the one line that a worker says before it ends with an exit code."""
    assert worker.exit_code(60) == code, worker.told("did not refuse")
    assert "Traceback" not in worker.log, worker.told("did not know the error")
    said = [line for line in worker.log.splitlines() if line.startswith("journeys: ") or "worker ends: " in line]
    assert len(said) == 1, worker.told("did not say it in one line")
    assert worker.log.splitlines()[-1] == said[0], worker.told("went on")
    return said[0]


def topics_but(**changed: tuple[int, dict[str, str]] | None) -> dict[str, tuple[int, dict[str, str]]]:
    """All topics with 4 partitions and their settings; `changed` by name, None for one that is missing."""
    topics = {name: (4, topic.settings) for name, topic in MAP.items()} | changed
    return {name: wanted for name, wanted in topics.items() if wanted is not None}


@pytest.mark.parametrize(
    ("topics", "said"),
    [
        (
            topics_but(**{CHANGELOG: (3, MAP[CHANGELOG].settings)}),
            f"journeys: {CHANGELOG} has 3 partitions but {JOURNEY_EVENTS} has 4",
        ),
        (
            topics_but(**{CHANGELOG: (4, MAP[CHANGELOG].settings | {"cleanup.policy": "compact,delete"})}),
            f"journeys: {CHANGELOG} has cleanup.policy=compact,delete, it should be compact: `kafka-configs.sh",
        ),
        (
            topics_but(**{JOURNEY_EVENTS: (4, {"retention.ms": "-1", "max.message.bytes": "4194304"})}),
            f"journeys: {JOURNEY_EVENTS} has message.timestamp.type=CreateTime, it should be LogAppendTime",
        ),
        (
            topics_but(**{JOURNEY_LIFECYCLE: None}),
            f"journeys: {JOURNEY_LIFECYCLE} does not exist: create it with `journeys topics create`",
        ),
    ],
    ids=["partition counts differ", "changelog not compacted", "producers' own timestamps", "missing topic"],
)
def test_topics_that_do_not_fit_are_refused(broker, workers, topics, said):
    """What is wrong and the command that mends it, in one line; nothing is created, nothing written."""
    settings = bare(broker, create_topics=False)
    asyncio.run(create_by_hand(settings, topics))
    line = refusal(workers.start(settings))
    assert line.startswith(said)
    missing = {name for name in MAP if name not in topics}
    assert {problem.topic for problem in asyncio.run(check_topics(settings)) if "not exist" in problem.text} == missing


def test_a_broker_that_is_not_there_is_said_in_a_line(workers):
    """The address, and how to start one; a supervisor may try again."""
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, not listening: refuses, and nobody else gets it
        servers = f"127.0.0.1:{nobody.getsockname()[1]}"
        worker = workers.start(Settings(_env_file=None, bootstrap_servers=servers))
        line = refusal(worker, WorkerExit.UNREACHABLE)
    assert line.startswith(f"journeys: no broker answers at {servers}; start one with `journeys broker start`")


def test_a_folder_that_can_not_be_written_is_said_in_a_line(workers, tmp_path):
    """The setting that names it, before any broker is asked."""
    (tmp_path / "file").write_text("")
    settings = Settings(_env_file=None, bootstrap_servers="127.0.0.1:1", data_dir=tmp_path / "file" / "data")
    line = refusal(workers.start(settings))
    assert line == f"journeys: {settings.data_dir} can't be written (Not a directory): set JOURNEYS_DATA_DIR"


def test_a_worker_creates_missing_topics_and_ends_well(broker, workers):
    """From nothing at all, in a folder that holds nothing: work, SIGTERM, exit code 0, all of it committed."""
    settings = bare(broker)
    worker = workers.start(settings)
    worker.wait_until_logged("restored: partitions [0, 1, 2, 3]")
    assert asyncio.run(check_topics(settings)) == []
    append(settings, punctuation(0), *SOME_JOURNEYS)
    workers.wait_until_applied(settings)
    worker.stop()
    assert "Traceback" not in worker.log, worker.told("stopped with an error")
    report, _ = verified(settings)
    assert report.counts.applied == len(SOME_JOURNEYS)
    assert report.lag_total == 0, "a worker that stops commits what it has done"


async def make_input_topic_anew(settings: Settings) -> None:
    """Delete the input topic under an existing table, and create it again."""
    await delete_one_topic(settings, JOURNEY_EVENTS)
    await create_by_hand(settings, {JOURNEY_EVENTS: (4, MAP[JOURNEY_EVENTS].settings)})


async def add_partitions(settings: Settings) -> None:
    """Raise every topic to 6 partitions."""
    async with admin(settings) as client:
        await client.create_partitions({name: NewPartitions(6) for name in MAP})
        deadline = monotonic() + 30
        while {count for name, count in (await partition_counts(settings)).items() if name in MAP} != {6}:
            assert monotonic() < deadline, "partitions were not added"
            await asyncio.sleep(0.05)


async def delete_records_unread(settings: Settings) -> None:
    """Delete records that no worker has applied."""
    async with admin(settings) as client:
        ends = {
            TopicPartition(JOURNEY_EVENTS, partition): RecordsToDelete(len(records))
            for partition, records in (await read(settings, JOURNEY_EVENTS)).items()
        }
        await client.delete_records(ends)


def test_a_table_that_does_not_belong_to_the_input_topic_is_refused(broker, workers):
    """A worker that went on would leave records out, or look for journeys where they are not."""
    settings = emptied(broker)
    append(settings, punctuation(0), *SOME_JOURNEYS)
    worker = workers.start(settings)
    workers.wait_until_applied(settings)
    worker.stop()
    append(settings, *(touch(f"journey-{number}", 2, 5_000) for number in range(20)))
    for spoil, said in (
        (delete_records_unread, ": records were deleted before they were applied"),
        (make_input_topic_anew, "journey-events is another topic than the one that the table was made with"),
        (add_partitions, "the table was made for 4 partitions, the input topic has 6, and journeys"),
    ):
        asyncio.run(spoil(settings))
        assert said in refusal(workers.start(settings)), spoil.__doc__
