"""Restarts of an embedded manager: no abandonment is lost or given twice."""

import asyncio
import sqlite3
from datetime import timedelta

import pytest

from training_orchestrator import AbandonmentReason, JourneyAlreadyAbandonedError
from training_orchestrator.api.local_time import datetime_of

from .embedded import manager_of
from .store_of_journeys import BEGIN, DAY
from .stored import outputs, replayed

pytestmark = pytest.mark.usefixtures("each_engine")
HOUR = 3_600_000
EARLIER = """
DROP TABLE output;
CREATE TABLE output (
    sequence INTEGER PRIMARY KEY, topic TEXT NOT NULL, kind TEXT NOT NULL, output_id TEXT NOT NULL UNIQUE,
    detected_at INTEGER NOT NULL, value BLOB NOT NULL
);
INSERT INTO output VALUES (1, 'journey-abandonments', 'abandoned', 'x', 0, x'00');
PRAGMA user_version=1;
"""
"""Makes a file what format 1 was."""


def test_overdue_deadlines_fire_once_after_downtime(store, clock):
    """20 days down: both journeys end at their deadlines, in order; a third start gives nothing."""

    async def run():
        async with manager_of(store, clock) as manager:
            await manager.register_journey("silent")
            await manager.register_journey("patient", inactivity_hours=24 * 40)
            clock.at += HOUR
            await manager.record_touchpoint("silent", cost=1)
        clock.at += 20 * DAY
        async with manager_of(store, clock) as manager:
            found = [await manager.check_timeouts(), await manager.check_timeouts()]
        async with manager_of(store, clock) as manager:
            found.append(await manager.check_timeouts())
        return found

    first, second, after_restart = asyncio.run(run())
    assert [(each.journey_id, each.reason, each.abandoned_at) for each in first] == [
        ("silent", AbandonmentReason.INACTIVITY, datetime_of(BEGIN + HOUR) + timedelta(hours=72)),
        ("patient", AbandonmentReason.TIMEOUT, datetime_of(BEGIN) + timedelta(days=14)),
    ]
    assert (second, after_restart) == ([], [])
    assert outputs(store) == replayed(store)


def test_a_restart_resumes_where_it_was(store, clock):
    """Cost, state and deadlines are there again, and so is what has ended."""

    async def run():
        async with manager_of(store, clock) as manager:
            await manager.record_touchpoint("open", cost=25, state="AWARE", touchpoint_id="t-1")
            await manager.record_touchpoint("ended", cost=5)
            await manager.mark_abandoned("ended")
            before = await manager.calculate_abandonment_cost("open")
        async with manager_of(store, clock) as manager:
            await manager.record_touchpoint("open", cost=25, touchpoint_id="t-1")
            assert await manager.calculate_abandonment_cost("open") == before
            assert len(await manager.abandonments(datetime_of(BEGIN))) == 1
            assert (await manager.metrics()).duplicates == 1

    asyncio.run(run())
    assert outputs(store) == replayed(store)


def test_a_file_of_the_earlier_format_is_taken_over(store, clock):
    """Outputs and rows are computed again from the input, with the same sequence numbers; nothing is given twice."""

    async def run():
        async with manager_of(store, clock) as manager:
            await manager.register_journey("silent")
            await manager.record_touchpoint("open", cost=1)
            clock.at += 4 * DAY
            assert len(await manager.check_timeouts()) == 2
        before = numbered(store)
        with sqlite3.connect(store) as connection:
            connection.executescript(EARLIER)
        clock.at += DAY
        async with manager_of(store, clock) as manager:
            assert await manager.check_timeouts() == []
            with pytest.raises(JourneyAlreadyAbandonedError):
                await manager.mark_abandoned("open")
        return before

    before = asyncio.run(run())
    assert numbered(store)[: len(before)] == before
    assert outputs(store) == replayed(store)


def numbered(store):
    """Outputs with the numbers that feeds remember."""
    with sqlite3.connect(store) as connection:
        return connection.execute("SELECT sequence, topic, kind, value FROM output ORDER BY sequence").fetchall()


def test_what_was_applied_and_not_stored_is_made_up_for(store, clock):
    """As after a crash: rows and outputs lag behind the log and are computed again; stored ones are not given twice."""

    async def run():
        async with manager_of(store, clock) as manager:
            await manager.register_journey("silent")
            clock.at += 4 * DAY
            assert len(await manager.check_timeouts()) == 1
        with sqlite3.connect(store) as connection:
            connection.execute("DELETE FROM row")
        async with manager_of(store, clock) as manager:
            assert await manager.check_timeouts() == []
        assert outputs(store) == replayed(store)
        with sqlite3.connect(store) as connection:
            connection.execute("DELETE FROM row")
            connection.execute("DELETE FROM output")
        async with manager_of(store, clock) as manager:
            assert len(await manager.check_timeouts()) == 1

    asyncio.run(run())
    assert outputs(store) == replayed(store)


def test_another_configuration_becomes_the_policy_of_what_begins_behind_it(store, clock):
    """The log decides: the open episode keeps the policy under which it began."""

    async def run():
        async with manager_of(store, clock) as manager:
            await manager.register_journey("old", inactivity_hours=1000)
        async with manager_of(store, clock, default_timeout_days=7, state_penalty_weights={"AWARE": 0.9}) as manager:
            await manager.register_journey("new", inactivity_hours=1000)
            assert await manager.extend_timeout("old", 1) == datetime_of(BEGIN + 15 * DAY)
            assert await manager.extend_timeout("new", 1) == datetime_of(BEGIN + 8 * DAY)

    asyncio.run(run())
    assert outputs(store) == replayed(store)
