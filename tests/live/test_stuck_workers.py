"""Each way in which a worker is known to live on without work, done to a real one: it ends, and says why."""

import asyncio
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from journeys.agents.kafka.group_members import describe_group
from journeys.agents.settings.settings import Settings
from journeys.clock import now_ms
from journeys.schemas.records import Punctuation, Touchpoint
from journeys.schemas.topics import topic_map
from tests.fixtures.fresh_kafka import bare, create_by_hand, emptied
from tests.fixtures.topic_contents import HOUR, produce, punctuation, touch

from .foreign_members import IdleAssignor, NamesakeAssignor, Sleeper, member
from .topic_exchange import append
from .worker_process import WorkerProcess, Workers

pytestmark = [pytest.mark.broker, pytest.mark.slow]

RESTORED = "restored: partitions [0, 1, 2, 3]"


class ImpatientWorker(WorkerProcess):
    """A worker that gives up after seconds."""

    program = (str(Path(__file__).with_name("impatient_worker.py")),)


@pytest.fixture
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    """Give a place to start impatient workers; none outlives the test."""
    monkeypatch.delenv("FAULT", raising=False)
    with Workers(tmp_path, ImpatientWorker) as started:
        yield started


def ended(worker: WorkerProcess, code: int) -> str:
    """Wait until a worker has ended with a code; give the line that says why."""
    assert worker.exit_code(90) == code, worker.told("ended otherwise")
    (said,) = re.findall(rf"worker ends: (.*) \(exit {code}\)", worker.log)
    return said


def ended_beside(
    settings: Settings,
    workers: Workers,
    code: int,
    assignor: type[Any],
    listener: Any = None,
    *,
    comes_later: bool = False,
) -> str:
    """Run a worker in a group with a member that is none, until it ends; give the line that says why."""

    async def run() -> str:
        if comes_later:
            worker = workers.start(settings)
            await asyncio.to_thread(worker.wait_until_logged, RESTORED)
        async with member(settings, assignor, listener):
            if not comes_later:
                worker = workers.start(settings)
            return await asyncio.to_thread(ended, worker, code)

    return asyncio.run(run())


def test_row_10_a_group_with_a_member_that_is_no_worker(broker, workers):
    """As a console consumer with the workers' group: exit code 70, since it may be gone at the next start."""
    settings = emptied(broker)
    assert ended_beside(settings, workers, 70, RoundRobinPartitionAssignor) == (
        "the group journeys has members that are no workers (another protocol): stop them, or set "
        "JOURNEYS_APPLICATION_ID to a name of its own"
    )
    workers.start(settings).wait_until_logged(RESTORED)


@pytest.mark.parametrize("comes_later", [False, True], ids=["leads", "joins a worker"])
def test_row_10_an_assignor_that_nobody_knows(broker, workers, comes_later):
    """It has the name of the workers' own, and says what they can't read."""
    said = ended_beside(emptied(broker), workers, 70, NamesakeAssignor, comes_later=comes_later)
    assert said.startswith("it can't go on in the group journeys: ")
    assert "stop them, or set JOURNEYS_APPLICATION_ID" in said


def test_row_10_a_session_that_the_brokers_do_not_allow(broker, workers):
    """Exit code 2, with the setting and where the brokers have theirs."""
    settings = emptied(broker, session_timeout_seconds=100_000)
    assert ended(workers.start(settings), 2).startswith(
        "the brokers do not allow JOURNEYS_SESSION_TIMEOUT_SECONDS=100000: it must be within"
    )


def test_row_10_partitions_without_an_owner(broker, workers):
    """A member leads the group and assigns nothing: the worker has no partitions though all lack an owner."""
    said = ended_beside(emptied(broker), workers, 70, IdleAssignor)
    assert said.startswith("it has no partitions although partitions 0, 1, 2, 3 have no owner, for 1")


def test_a_rebalance_that_never_ends(broker, workers):
    """A member does not answer, and the group waits for it: ten minutes long, as that has asked for."""
    said = ended_beside(emptied(broker), workers, 70, IdleAssignor, Sleeper())
    assert said.startswith("it has not got into its group for 1")
    assert "; the group is PreparingRebalance with 2 members" in said


def test_two_workers_with_one_instance_id(broker, workers, tmp_path):
    """The data folder of one was copied for the other: they throw each other out without end, until one ends."""
    settings = emptied(broker)
    first = workers.start(settings, data_dir=tmp_path / "data")
    first.wait_until_logged(RESTORED)
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    second = workers.start(settings, data_dir=tmp_path / "copy")
    workers.wait_until(lambda: not (first.is_running and second.is_running), "both live on", 120)
    worker = second if first.is_running else first
    assert "another worker uses the same group.instance.id" in ended(worker, 70)


def test_a_worker_that_is_one_too_many_waits_and_takes_over(broker, workers):
    """It lives, says so, stays in its group, and has the partitions when the other is gone."""
    settings = bare(broker, session_timeout_seconds=3)
    asyncio.run(create_by_hand(settings, {topic.name: (1, topic.settings) for topic in topic_map("journeys")}))
    owner = workers.start(settings)
    owner.wait_until_logged("restored: partitions [0]")
    surplus = workers.start(settings)
    surplus.wait_until_logged("no partitions are left for this worker: all 1 have owners; it waits to take over")
    assert sorted(len(one.partitions) for one in asyncio.run(describe_group(settings)).members) == [0, 1]
    owner.kill()
    surplus.wait_until_logged("restored: partitions [0]")


def test_a_restore_that_never_ends(broker, workers, monkeypatch):
    """The changelog is not fetched (faust #176, #74): exit code 73, with how far it has come."""
    settings = emptied(broker)
    worker = workers.start(settings)
    append(settings, punctuation(0), touch("journey-1", 1, HOUR))
    workers.wait_until_applied(settings)
    worker.stop()
    monkeypatch.setenv("FAULT", "restore without end")
    said = ended(workers.start(settings), 73)
    assert re.match(r"its (restore has read 0 changelog records|rebalance did not end within)", said), said


def test_a_flush_that_is_never_acknowledged(broker, workers, monkeypatch):
    """Kafka answers all else: exit code 73, and what to look at."""
    settings = emptied(broker)
    first = workers.start(settings)
    first.wait_until_logged(RESTORED)
    first.stop()
    monkeypatch.setenv("FAULT", "flush without end")
    worker = workers.start(settings)
    worker.wait_until_logged(RESTORED)
    append(settings, punctuation(0), touch("journey-1", 1, HOUR))
    assert re.search(r"waits for its acknowledgement for \d+ s though Kafka answers", ended(worker, 73))


def test_a_timer_that_is_dead(broker, workers, monkeypatch):
    """Nobody writes the time: exit code 73."""
    monkeypatch.setenv("FAULT", "dead timer")
    settings = emptied(broker)
    asyncio.run(produce(settings, [Punctuation(now_ms(), "live", "test")]))
    assert ended(workers.start(settings), 73).startswith("no time was written for 1")


def test_a_call_that_never_ends(broker, workers, monkeypatch):
    """A batch is applied for ever: exit code 73 with the place, and the stack in the log."""
    monkeypatch.setenv("FAULT", "call without end")
    settings = emptied(broker)
    worker = workers.start(settings)
    worker.wait_until_logged(RESTORED)
    append(settings, Touchpoint("journey-1", None, "t-1", now_ms()))
    assert re.match(r"one call has not ended for \d+ s, in _never_come_back \(impatient_worker", ended(worker, 73))
    assert "the event loop's thread is here:" in worker.log
