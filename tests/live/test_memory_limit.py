"""At its memory limit a worker takes no more input, says so, loses nothing, decides nothing, and goes on."""

from __future__ import annotations

import asyncio
import re
from time import sleep

import pytest

from journeys.agents.worker.guards.memory_limit import LIMIT_REACHED, ROOM_AGAIN
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.topic_contents import DAY, punctuation, read, touch

from .test_metrics import scraped, status
from .topic_exchange import append, published
from .verified import verified
from .worker_process import WorkerProcess

pytestmark = [pytest.mark.broker, pytest.mark.slow]

SESSION_SECONDS = 3
LIMIT = 100
JOURNEYS = 12


_PROGRAM = """
from pathlib import Path
import journeys.agents.worker.guards.memory_limit
journeys.agents.worker.guards.memory_limit.resident_mib = lambda: float(Path("held").read_text())
from journeys.cli.main import run
run()
"""


class MeasuredWorker(WorkerProcess):
    """The worker as it is, but that the memory it measures is what a file says."""

    program = ("-c", _PROGRAM)


def hold(folder, mib):
    """Say what the worker of a folder measures from now on."""
    (folder / "next").write_text(str(mib))
    (folder / "next").replace(folder / "held")


def days(first, last):
    """Touchpoints of every day, and its time; half of the journeys fall silent on the third."""
    for day in range(first, last):
        for number in range(JOURNEYS):
            if number % 2 or day < 3:
                yield touch(f"journey-{number}", day, day * DAY)
        yield punctuation(day * DAY)


def waiting_by(worker):
    """Give where the log ends by a worker's figures, and its status: it says that it has no room."""
    (url,) = re.findall(r"metrics at (http://\S+)/metrics", worker.log)
    figures = scraped(f"{url}/metrics")
    code, reasons = status(f"{url}/ready")
    assert code == 200 or "memory: " in reasons
    wanted = ("journeys_next_offset", "journeys_lag_records")
    return sum(value for name, value in figures.items() if name.startswith(wanted)), code


def test_at_the_limit_it_waits_and_then_goes_on(broker, workers, tmp_path):
    """Longer than its session, while another worker joins and takes over half: the same abandonments as ever."""
    settings = emptied(
        broker, session_timeout_seconds=SESSION_SECONDS, memory_limit_mib=LIMIT, max_batch_records=5, metrics_port=0
    )
    folder = tmp_path / "measured"
    worker = MeasuredWorker(settings, folder, "measured")
    try:
        hold(folder, LIMIT - 1)
        append(settings, *days(0, 3))
        workers.wait_until_applied(settings)
        hold(folder, LIMIT)
        append(settings, *days(3, 12))
        worker.wait_until_logged(LIMIT_REACHED)
        # Nothing may happen for longer than the session: that can only be waited for.
        sleep(2 * SESSION_SECONDS)
        assert published(settings) == []
        worker.require_running()
        append(settings, punctuation(12 * DAY))  # nobody fetches it
        ended = sum(len(records) for records in asyncio.run(read(settings)).values())
        workers.wait_until(lambda: waiting_by(worker) == (ended, 503), "the lag stands still")
        other = workers.start(settings, memory_limit_mib=None)
        other.wait_until_logged("restored: partitions [")
        (shared,) = re.findall(r"restored: partitions \[([^]]*)\]", other.log)
        assert len(shared.split(",")) == 2, "the one that waits has kept the other half: a rebalance does not wait"
        workers.wait_until(lambda: bool(published(settings)), "the other worker took nothing over")
        assert ROOM_AGAIN not in worker.log
        hold(folder, LIMIT - 10)
        workers.wait_until_applied(settings)
        worker.wait_until_logged(ROOM_AGAIN)
        worker.stop()
    finally:
        worker.tidy()
    assert worker.log.count(LIMIT_REACHED) == 1, "it says so once"
    assert "[error" in next(line for line in worker.log.splitlines() if LIMIT_REACHED in line)
    report, _ = verified(settings)
    assert report.abandonments.equal == JOURNEYS // 2
    assert report.counts.applied == 3 * JOURNEYS + 9 * (JOURNEYS // 2)


def test_a_real_measure_and_a_stop_while_it_waits(broker, workers):
    """No worker fits into a mebibyte: it takes nothing, and SIGTERM ends it well; without a limit all is done."""
    settings = emptied(broker)
    small = workers.start(settings, memory_limit_mib=1)
    append(settings, *days(0, 8))
    small.wait_until_logged(LIMIT_REACHED)
    small.stop()
    assert published(settings) == []
    workers.start(settings)
    workers.wait_until_applied(settings)
    report, _ = verified(settings)
    assert report.abandonments.equal == JOURNEYS // 2
