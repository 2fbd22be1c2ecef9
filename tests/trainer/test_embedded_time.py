"""Time of an embedded manager: due deadlines, times in the future, cleanup."""

import asyncio
import sqlite3
from datetime import timedelta

import pytest

from training_orchestrator import InvalidRecordError, JourneyTimeoutManager, TimeoutConfiguration, UnknownJourneyError

from .embedded import manager_of
from .store_of_journeys import DAY
from .stored import outputs, replayed

pytestmark = pytest.mark.usefixtures("each_engine")


def test_on_live_time_nothing_happens_later_than_now(store):
    """A touchpoint of the day after tomorrow is refused with the field's name, whichever engine looks at it."""

    async def run():
        async with JourneyTimeoutManager(store_path=store) as manager:
            ahead = manager.present() + timedelta(days=2)
            with pytest.raises(InvalidRecordError, match="occurred_at"):
                await manager.record_touchpoint("hasty", occurred_at=ahead)
            return await manager.metrics()

    figures = asyncio.run(run())
    assert (figures.active_journeys, figures.dead_letters) == (0, 0)


def test_cleanup_forgets_what_ended_long_ago(store, clock):
    """31 days after their end 25 journeys are unknown, in batches of 10; the open one stays."""

    async def run():
        async with manager_of(store, clock, cleanup_batch_size=10) as manager:
            for number in range(25):
                await manager.record_touchpoint(f"journey-{number}")
                await manager.mark_abandoned(f"journey-{number}")
            assert await manager.cleanup_stale_data() == 0
            clock.at += 31 * DAY
            await manager.register_journey("open")
            assert await manager.cleanup_stale_data() == 25
            assert await manager.cleanup_stale_data() == 0
            with pytest.raises(UnknownJourneyError):
                await manager.mark_abandoned("journey-3")
            await manager.mark_abandoned("open")

    asyncio.run(run())
    with sqlite3.connect(store) as connection:
        keys = {key for (key,) in connection.execute('SELECT "key" FROM row')}
    assert b"jopen" in keys
    assert not any(key.startswith(b"jjourney-") for key in keys)
    assert outputs(store) == replayed(store)


def test_a_deadline_fires_in_the_background(store):
    """Without a call of check_timeouts: the monitoring task has abandoned it."""

    async def run():
        async with JourneyTimeoutManager(TimeoutConfiguration(grace_seconds=0), store_path=store) as manager:
            await manager.register_journey("brief", timeout_days=0.3 / 86_400)
            while not (await manager.metrics()).abandonments:  # noqa: ASYNC110  (a manager has no event for it)
                await asyncio.sleep(0.01)
            assert (await manager.metrics()).active_journeys == 0

    asyncio.run(asyncio.wait_for(run(), 30))
