"""A worker that is asked to stop ends its batch, commits it and leaves; asked twice, it ends at once."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from journeys.agents.devserver.local_kafka import LocalKafka
from journeys.agents.settings.settings import Settings
from journeys.agents.worker.ports.worker_exit import WorkerExit
from tests.chaos.shutdown import measure_stops
from tests.fixtures.fresh_kafka import bare, emptied
from tests.fixtures.left_out import left_out
from tests.live.worker_process import WorkerProcess, Workers

pytestmark = [pytest.mark.broker, pytest.mark.slow]

LONG = bool(os.environ.get("JOURNEYS_TEST_LONG"))
STOPS = 20 if LONG else 2
SECOND_SIGNAL = "worker ends: a second signal"


def test_a_stop_under_load_drains_commits_and_leaves_the_group(broker, tmp_path):
    """SIGTERM and SIGINT: exit code 0, every applied offset committed, no member left behind."""
    stops = asyncio.run(measure_stops(tmp_path, bare(broker, data_dir=tmp_path / "data"), STOPS))
    assert [stop.sign for stop in stops[:2]] == ["SIGTERM", "SIGINT"]
    for stop in stops:
        assert stop.exit_code == WorkerExit.STOPPED, stop
        assert stop.members_left == 0, stop
        assert set(stop.uncommitted.values()) == {0}, stop


@contextmanager
def worker_without_kafka(settings: Settings, kafka: LocalKafka, folder: Path) -> Iterator[WorkerProcess]:
    """Give a worker that was at work when its Kafka stopped to answer; Kafka answers again at the end."""
    with Workers(folder) as workers:
        worker = workers.start(settings)
        worker.wait_until_logged("restored: partitions")
        assert kafka.pid is not None
        os.kill(kafka.pid, signal.SIGSTOP)
        try:
            yield worker
        finally:
            os.kill(kafka.pid, signal.SIGCONT)


@pytest.mark.parametrize("sign", [signal.SIGINT, *([signal.SIGTERM] if LONG else [])])
def test_a_second_signal_ends_a_stop_that_waits(broker, kafka, tmp_path: Path, sign):
    """Without an answer from Kafka a stop has to wait; the second signal doesn't, and the exit code tells."""
    with worker_without_kafka(emptied(broker, data_dir=tmp_path / "data"), kafka, tmp_path) as worker:
        worker.send(sign)
        worker.wait_until_logged("stopping: ")
        worker.send(sign)
        assert worker.exit_code() == WorkerExit.FAILED
        assert SECOND_SIGNAL in worker.log


@pytest.mark.skipif(not LONG, reason=left_out("long"))
def test_a_stop_that_kafka_does_not_answer_ends_all_the_same(broker, kafka, tmp_path: Path):
    """It says so; nothing is lost by not waiting."""
    with worker_without_kafka(emptied(broker, data_dir=tmp_path / "data"), kafka, tmp_path) as worker:
        worker.send(signal.SIGTERM)
        assert worker.exit_code() == WorkerExit.FAILED
        assert "worker ends: Kafka did not answer while stopping" in worker.log
        assert SECOND_SIGNAL not in worker.log
