"""Workers are static members of their group: one that was killed comes back without a rebalance."""

import asyncio

import pytest

from journeys.agents.settings.settings import Settings
from tests.chaos.supervisor import partitions_held
from tests.chaos.traces import count_rebalances
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.topic_contents import HOUR, punctuation, touch

from .topic_exchange import append
from .verified import verified
from .worker_process import WorkerProcess, Workers

pytestmark = [pytest.mark.broker, pytest.mark.slow]

# Longer than any wait of these tests: who waits for the end of a session fails.
SESSION = {"session_timeout_seconds": 120}
JOURNEYS = [f"journey-{number}" for number in range(40)]


def two_workers(settings: Settings, workers: Workers) -> tuple[WorkerProcess, WorkerProcess]:
    """Two workers with two partitions each, at rest."""
    first = workers.start(settings)
    first.wait_until_logged("restored: partitions [0, 1, 2, 3]")
    second = workers.start(settings)
    second.wait_until_logged("restored: partitions [")
    workers.wait_until(lambda: len(partitions_held(first)) == 2, "the first worker gave nothing away")
    assert sorted(partitions_held(first) + partitions_held(second)) == [0, 1, 2, 3]
    return first, second


def test_a_killed_worker_that_comes_back_gets_its_partitions_without_a_rebalance(broker, workers, tmp_path):
    """The same partitions, the same generation of the group, and the other worker hears nothing of it."""
    settings = emptied(broker, data_dir=tmp_path / "data", application_id="static-kill", **SESSION)
    first, second = two_workers(settings, workers)
    append(settings, punctuation(0), *(touch(name, 1, HOUR) for name in JOURNEYS))
    workers.wait_until_applied(settings)
    before = asyncio.run(count_rebalances(settings))
    restores = first.log.count("restored: partitions")
    second.kill()
    append(settings, *(touch(name, 2, 2 * HOUR) for name in JOURNEYS))

    again = workers.start(settings)
    again.wait_until_logged("restored: partitions [")
    append(settings, *(touch(name, 3, 3 * HOUR) for name in JOURNEYS))
    workers.wait_until_applied(settings)
    assert partitions_held(again) == partitions_held(second)
    assert asyncio.run(count_rebalances(settings)) == before
    assert first.log.count("restored: partitions") == restores
    report, _ = verified(settings)
    assert report.counts.applied == 3 * len(JOURNEYS)


def test_a_worker_that_stops_leaves_the_group(broker, workers, tmp_path):
    """Its partitions don't wait for the end of its session."""
    settings = emptied(broker, data_dir=tmp_path / "data", application_id="static-stop", **SESSION)
    first, second = two_workers(settings, workers)
    second.stop()
    workers.wait_until(lambda: len(partitions_held(first)) == 4, "the partitions of the second were not taken over", 60)
