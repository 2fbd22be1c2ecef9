"""Wrong clocks, on one of two workers and on the broker: no journey ends before its time, and none is lost.

Half of the journeys time out within seconds, and must do so at their deadlines; the other half have days left, which a
clock that is ahead would take from them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from time import monotonic, sleep

import pytest
from typer.testing import CliRunner

from journeys.agents.devserver.kafka_probe import answers
from journeys.agents.devserver.local_kafka import LocalKafka
from journeys.agents.kafka.topic_setup import create_topics
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.table_check import check_table
from journeys.agents.worker.ports.worker_exit import WorkerExit
from journeys.cli.main import app
from journeys.clock import now_ms
from journeys.schemas.records import JourneyRegistered, Touchpoint
from journeys.schemas.topics import JOURNEY_LIFECYCLE
from journeys.streams.rule.policy import Policy
from tests.fixtures.broker_fixture import leashed
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.left_out import left_out
from tests.fixtures.other_clock import OtherClock, needs_other_clocks

from .topic_exchange import append, policy_changed, published
from .verified import verified
from .worker_process import WorkerProcess

pytestmark = [pytest.mark.broker, pytest.mark.slow, needs_other_clocks]

POLICY = Policy(version="impatient", deadlines={"grace_seconds": 0, "inactivity_hours": 72})
# A machine that is busy with other tests must not look like one that stands still.
QUICK = {"punctuation_interval_seconds": 0.2, "session_timeout_seconds": 15, "freeze_limit_seconds": 7}
SOON = {f"soon-{number}": 2_000 + 250 * number for number in range(16)}
LATER = [f"later-{number}" for number in range(16)]
only_long = pytest.mark.skipif("JOURNEYS_TEST_LONG" not in os.environ, reason=left_out("long"))
_OUT_SECONDS = 60.0
_BROKER_SECONDS = 120.0


def begin(settings: Settings) -> int:
    """Append a policy and all journeys, whose timeouts run from now on; gives the instant."""
    began_at = now_ms()
    append(
        settings,
        policy_changed(POLICY),
        *(JourneyRegistered(name, None, began_at, timeout_ms=timeout_ms) for name, timeout_ms in SOON.items()),
        *(JourneyRegistered(name, None, began_at, timeout_ms=3 * 86_400_000) for name in LATER),
    )
    return began_at


def require_right(settings: Settings, began_at: int) -> None:
    """Fail unless each journey ended at its deadline, once, or is open; live, table and replay agree."""
    ended = {record.journey_id: record.abandoned_at - began_at for record in published(settings)}
    assert ended == SOON
    verified(settings)
    report = asyncio.run(check_table(settings))
    assert report.ok, report.differences
    assert report.open_journeys == len(LATER)


def ends_for_its_clock(worker: WorkerProcess, side: str) -> None:
    """Wait until a worker has ended because of its clock."""
    assert worker.exit_code(_OUT_SECONDS) == WorkerExit.CLOCK, worker.told("ended otherwise")
    last = next(line for line in reversed(worker.log.splitlines()) if "worker ends" in line)
    assert side in last or "its time is too far from the broker's" in last


@pytest.mark.parametrize(
    ("offset", "side", "engine"),
    [
        ("+4d", "ahead of the broker's", "auto"),
        ("-1d", "behind the broker's", "reference"),
        pytest.param("+1h", "ahead of the broker's", "reference", marks=only_long),
    ],
)
def test_row_1_a_worker_with_a_wrong_clock_is_out_and_decides_nothing(broker, workers, tmp_path, offset, side, engine):
    """Beside a right one, which goes on with its partitions; its punctuations moved nothing."""
    settings = emptied(broker, engine=engine, **QUICK)
    workers.start(settings).wait_until_logged("restored: partitions [0, 1, 2, 3]")
    began_at = begin(settings)
    with OtherClock(tmp_path / "clock", offset).for_new_processes():
        wrong = workers.start(settings)
    ends_for_its_clock(wrong, side)
    workers.wait_until(lambda: len(published(settings)) >= len(SOON), "not all journeys were abandoned")
    workers.wait_until_applied(settings)
    require_right(settings, began_at)


def test_a_worker_whose_clock_jumps_is_out(broker, workers, tmp_path):
    """Right at its start and four days ahead a moment later."""
    settings = emptied(broker, **QUICK)
    clock = OtherClock(tmp_path / "clock")
    with clock.for_new_processes():
        jumping = workers.start(settings)
    jumping.wait_until_logged("restored: partitions [0, 1, 2, 3]")
    began_at = begin(settings)
    workers.wait_until(lambda: len(published(settings)) >= 1, "no journey was abandoned")
    clock.set("+4d")
    ends_for_its_clock(jumping, "ahead of the broker's")
    workers.start(settings)
    workers.wait_until(lambda: len(published(settings)) >= len(SOON), "not all journeys were abandoned")
    workers.wait_until_applied(settings)
    require_right(settings, began_at)


class ClockedKafka:
    """A Kafka of its own whose clock a test sets."""

    def __init__(self, kafka: LocalKafka, clock: OtherClock) -> None:
        self.clock = clock
        self._kafka = kafka

    def settings(self, **more) -> Settings:
        """Settings of this Kafka."""
        return Settings(_env_file=None, bootstrap_servers=self._kafka.bootstrap_servers, **more)


@pytest.fixture
def clocked_kafka(tmp_path) -> Iterator[ClockedKafka]:
    """Give a Kafka whose clock is right until it is set."""
    folder = tmp_path / "kafka"
    folder.mkdir()
    clock = OtherClock(tmp_path / "brokers-clock")
    with leashed(folder):
        kafka = LocalKafka(folder)
        with clock.for_new_processes():
            kafka.launch(None, print)
        deadline = monotonic() + _BROKER_SECONDS
        while not answers(str(kafka.bootstrap_servers)):
            assert monotonic() < deadline, "\n".join(kafka.log_tail(20))
            sleep(0.1)
        yield ClockedKafka(kafka, clock)


@pytest.mark.parametrize(
    ("offset", "side"),
    [("-30m", "ahead of the broker's"), pytest.param("+4d", "behind the broker's", marks=only_long)],
)
def test_a_broker_with_a_wrong_clock_ends_workers_and_decides_nothing(clocked_kafka, workers, offset, side):
    """Behind, time stands still; ahead, the time that workers have said before they end is right."""
    settings = clocked_kafka.settings(**QUICK)
    asyncio.run(create_topics(settings))
    began_at = begin(settings)
    clocked_kafka.clock.set(offset)
    sleep(2)  # the broker looks once a second
    ends_for_its_clock(workers.start(settings), side)
    clocked_kafka.clock.set("+0")
    sleep(2)
    workers.start(settings)
    workers.wait_until(lambda: len(published(settings)) >= len(SOON), "not all journeys were abandoned")
    workers.wait_until_applied(settings)
    require_right(settings, began_at)


@pytest.mark.parametrize("engine", ["auto", pytest.param("reference", marks=only_long)])
def test_a_log_that_all_clocks_have_spoilt_is_corrected(clocked_kafka, workers, tmp_path, monkeypatch, engine):
    """Broker and worker were four days ahead: journeys ended, and were late since. A correction brings them back."""
    settings = clocked_kafka.settings(engine=engine, **QUICK)
    asyncio.run(create_topics(settings))
    begin(settings)
    clocked_kafka.clock.set("+4d")
    sleep(2)
    with OtherClock(tmp_path / "workers-clock", "+4d").for_new_processes():
        wrong = workers.start(settings)
    everybody = len(SOON) + len(LATER)
    workers.wait_until(lambda: len(published(settings)) >= everybody, "the wrong clock abandoned not all")
    workers.wait_until_applied(settings)
    wrong.stop()
    clocked_kafka.clock.set("+0")
    sleep(2)
    workers.start(settings).wait_until_logged("restored: partitions [0, 1, 2, 3]")
    append(settings, *touches("late"))
    workers.wait_until(lambda: kinds(settings).count("late_touchpoint") == len(LATER), "they were not late")

    monkeypatch.setenv("JOURNEYS_BOOTSTRAP_SERVERS", str(settings.bootstrap_servers))
    for words in (["--dry-run"], ["--note", "all clocks were four days ahead"]):
        done = CliRunner().invoke(app, ["correct-clock", *words])
        assert done.exit_code == 0, done.output
    sleep(0.01)  # a touchpoint of the corrected millisecond would be late
    append(settings, *touches("back"))
    workers.wait_until(lambda: kinds(settings).count("returned") == len(LATER), "they did not come back")
    workers.wait_until_applied(settings)
    verified(settings)
    report = asyncio.run(check_table(settings))
    assert report.ok, report.differences
    assert report.open_journeys == len(LATER)
    assert kinds(settings).count("audited_correct_clock") == 1


def touches(number: str) -> list[Touchpoint]:
    """A touchpoint of each journey that had days left, now."""
    now = now_ms()
    return [Touchpoint(name, None, f"{name}-{number}", now) for name in LATER]


def kinds(settings: Settings) -> list[str]:
    """Kinds of the lifecycle records."""
    return [record.kind for record in published(settings, JOURNEY_LIFECYCLE)]
