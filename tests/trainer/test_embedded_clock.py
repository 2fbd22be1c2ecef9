"""An embedded store and clocks: a clock that can't be right is refused, and a store that one has spoilt opens again."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import time
from datetime import UTC, datetime

import pytest

from journeys.schemas.invalid import InvalidRecordError
from tests.trainer.store_of_journeys import BEGIN, DAY, ManualClock
from training_orchestrator import JourneyTimeoutManager, TimeoutConfiguration

PATIENT = TimeoutConfiguration(default_timeout_days=30)
WRONG = {
    "seconds": (lambda: BEGIN // 1000, "looks like seconds"),
    "time.time": (lambda: BEGIN / 1000, r"such as now=lambda: int\(time\.time\(\) \* 1000\)"),
    "milliseconds with a fraction": (lambda: BEGIN + 0.5, "whole milliseconds"),
    "microseconds": (lambda: BEGIN * 1000, "looks like microseconds"),
    "time.time_ns": (lambda: BEGIN * 1_000_000, "looks like nanoseconds"),
    "a date": (lambda: datetime.now(UTC), "whole milliseconds"),
    "nothing": (lambda: None, "whole milliseconds"),
    "a boolean": (lambda: True, "whole milliseconds"),
    "before 1990": (lambda: 0, "whole milliseconds"),
    "digits without end": (lambda: 10**30, "whole milliseconds"),
}
wrong = pytest.mark.parametrize(("clock", "complaint"), WRONG.values(), ids=WRONG)


async def touch(path, now, name="t-1", configuration=None, journey="j", **more):
    """Record one touchpoint of a journey."""
    async with JourneyTimeoutManager(configuration, store_path=path, now=now) as manager:
        await manager.record_touchpoint(journey, touchpoint_id=name, cost=1, user_id="ann", **more)


def inputs(path):
    """Append times and values of the log."""
    with sqlite3.connect(path) as connection:
        return connection.execute('SELECT append_time, value FROM input ORDER BY "offset"').fetchall()


@wrong
def test_a_wrong_clock_makes_no_store(store, clock, complaint):
    """It is asked before the file is made; the error says what would be right."""
    with pytest.raises(InvalidRecordError, match=complaint):
        asyncio.run(touch(store, clock))
    assert not store.parent.exists()


@pytest.mark.usefixtures("each_engine")
@wrong
def test_row_16_a_wrong_clock_leaves_a_good_store_good(store, clock, complaint):
    """At a start with another configuration, and in the middle of a run: nothing is written under its time."""
    asyncio.run(touch(store, lambda: BEGIN))
    before = inputs(store)
    with pytest.raises(InvalidRecordError, match=complaint):
        asyncio.run(touch(store, clock, "t-2", PATIENT))
    assert inputs(store) == before

    async def goes_wrong():
        is_wrong = False
        async with JourneyTimeoutManager(store_path=store, now=lambda: clock() if is_wrong else BEGIN) as manager:
            known = inputs(store)
            is_wrong = True
            with pytest.raises(InvalidRecordError, match=complaint):
                await manager.record_touchpoint("j", touchpoint_id="t-3", cost=1, occurred_at=datetime.now(UTC))
            with pytest.raises(InvalidRecordError, match=complaint):
                await manager.check_timeouts()
            is_wrong = False
            assert inputs(store) == known

    asyncio.run(goes_wrong())
    asyncio.run(touch(store, lambda: BEGIN + DAY, "t-4"))
    assert all(isinstance(append_time, int) for append_time, _ in inputs(store))


def test_a_clock_that_jumps_far_ahead_is_refused(store):
    """By more than ten years; a simulation may come to any time by itself."""
    clock = ManualClock()
    present = int(time.time() * 1000)

    async def run():
        async with JourneyTimeoutManager(store_path=store, now=clock) as manager:
            clock.at = present + 3_600 * DAY
            await manager.check_timeouts()
            known = inputs(store)
            clock.at += 3_700 * DAY
            with pytest.raises(InvalidRecordError, match="at most ten years after the store's"):
                await manager.check_timeouts()
            assert inputs(store) == known
            clock.at -= 100 * DAY
            await manager.check_timeouts()

    asyncio.run(run())
    with pytest.raises(InvalidRecordError, match="at most ten years after the store's"):
        asyncio.run(touch(store, lambda: clock.at + 3_700 * DAY))


@pytest.mark.usefixtures("each_engine")
def test_row_16_a_store_with_times_that_are_no_whole_numbers_opens_again(store):
    """As an earlier release has left it: the fractions of append times are dropped, and the rest of the log is read."""
    asyncio.run(touch(store, lambda: BEGIN))
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE input SET append_time = append_time + 0.5")
        connection.execute("DELETE FROM row")
        connection.execute("DELETE FROM output")
    assert any(isinstance(append_time, float) for append_time, _ in inputs(store))
    asyncio.run(touch(store, lambda: BEGIN + DAY, "t-2"))


def test_row_16_nobody_else_reads_a_store(store):
    """Its file, those that SQLite and the lock put beside it, and the folder that is made for them hold user ids."""
    old_mask = os.umask(0o022)
    try:

        async def run():
            async with JourneyTimeoutManager(store_path=store, now=lambda: BEGIN) as manager:
                await manager.record_touchpoint("j", cost=1, user_id="ann")
                return rights(store.parent)

        found = asyncio.run(run())
        assert set(found) == {".", *(f"{store.name}{more}" for more in ("", "-wal", "-shm", ".lock"))}
        assert {name: mode for name, mode in found.items() if name != "."} == dict.fromkeys(found.keys() - {"."}, 0o600)
        assert found["."] == 0o700
        store.chmod(0o644)  # as an earlier release has made it
        assert set(asyncio.run(run()).values()) == {0o600, 0o700}
    finally:
        os.umask(old_mask)


def rights(folder):
    """Rights of a folder and of all that is in it."""
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
