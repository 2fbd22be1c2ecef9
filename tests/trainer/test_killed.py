"""kill -9 of an embedded trainer at random points: nothing acknowledged is lost, nothing is charged twice."""

import asyncio
import random
from collections import Counter
from multiprocessing import get_context
from time import monotonic, sleep

import pytest

from journeys.schemas.records import JourneyAbandoned
from training_orchestrator import JourneyTimeoutManager

from .killed_trainer import QUICK, work
from .stored import outputs, registered, replayed

KILLS = 30


@pytest.mark.slow
def test_30_kills_lose_no_abandonment_and_book_none_twice(tmp_path):
    """Afterwards each journey of the log is abandoned, each id once, and the outputs are a replay's, field by field."""
    store, acknowledged = tmp_path / "journeys.sqlite3", tmp_path / "acknowledged"
    acknowledged.touch()
    chance = random.Random(7)
    context = get_context("forkserver")  # the rule takes a second to import: once for all runs
    context.set_forkserver_preload(
        ["journeys.agents.settings.settings", "training_orchestrator.embedded.embedded_journeys", "asyncio"]
    )
    for run in range(KILLS):
        process = context.Process(target=work, args=(str(store), str(acknowledged), run))
        process.start()
        if run % 3:  # the others die while they come back
            wait_for(acknowledged, run, process)
        sleep(chance.uniform(0, 0.25))
        process.kill()
        process.join()
        assert process.exitcode == -9

    asyncio.run(bring_to_an_end(store))
    journeys = registered(store)
    abandoned = [output for output in outputs(store) if isinstance(output, JourneyAbandoned)]
    noted = [line.split() for line in acknowledged.read_text().splitlines() if line != "started"]
    assert len(journeys) > 3 * KILLS
    assert {name for _, name in noted} <= set(journeys)
    assert {record.journey_id for record in abandoned} == set(journeys)
    # A journey that is touched only after its 50 ms are over, on a loaded machine, begins again, and ends again.
    assert set(Counter(record.abandonment_id for record in abandoned).values()) == {1}
    assert outputs(store) == replayed(store)
    assert {"TIMEOUT", "MANUAL_TERMINATION"} == {record.abandonment_reason for record in abandoned}


def wait_for(acknowledged, run, process):
    """Wait until a run has registered its first journey, so that kills hit work, too."""
    deadline = monotonic() + 30
    while f"registered run-{run}-" not in acknowledged.read_text():
        assert process.is_alive(), process.exitcode
        assert monotonic() < deadline, "the trainer did not start"
        sleep(0.005)


async def bring_to_an_end(store):
    """Start once more: overdue deadlines fire, the others when they are due."""
    async with JourneyTimeoutManager(QUICK, store_path=store) as manager:
        deadline = monotonic() + 30
        while (await manager.metrics()).active_journeys:
            assert monotonic() < deadline, "journeys stayed open"
            await asyncio.sleep(0.05)
