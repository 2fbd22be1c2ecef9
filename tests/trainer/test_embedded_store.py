"""Restarts, outages and faults of an embedded store."""

import asyncio
import resource
import sqlite3
from contextlib import contextmanager
from datetime import timedelta

import pytest

from training_orchestrator import (
    AbandonmentReason,
    InvalidRecordError,
    JourneyAlreadyAbandonedError,
    JourneyTimeoutManager,
    NotStartedError,
    StoreInUseError,
    StoreUnavailableError,
    TimeoutConfiguration,
    UnknownJourneyError,
)
from training_orchestrator.local_time import datetime_of

from .stored import outputs, registered, replayed

pytestmark = pytest.mark.usefixtures("each_engine")

BEGIN = 1_760_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR
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


class Hands:
    """A clock that is moved by hand, in milliseconds after BEGIN."""

    def __init__(self):
        self.at = BEGIN

    def __call__(self):
        """Now."""
        return self.at


@pytest.fixture
def clock():
    """Give a clock that stands still until somebody moves it."""
    return Hands()


@pytest.fixture
def store(tmp_path):
    """Give the path of a store that is not there yet."""
    return tmp_path / "store" / "journeys.sqlite3"


def manager_of(store, clock, **configuration):
    """Make a manager of simulated time."""
    return JourneyTimeoutManager(TimeoutConfiguration(**configuration), store_path=store, now=clock)


def test_overdue_deadlines_fire_once_after_downtime(store, clock):
    """20 days down: both journeys end at their deadlines, in their order; a third start has nothing to say."""

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


def test_on_live_time_nothing_happens_later_than_now(store):
    """A touchpoint of the day after tomorrow is refused with the field's name, whichever engine looks at it."""

    async def run():
        async with JourneyTimeoutManager(store_path=store) as manager:
            ahead = manager.present() + timedelta(days=2)
            with pytest.raises(InvalidRecordError, match="occurred_at"):
                await manager.record_touchpoint("hasty", occurred_at=ahead)
            return await manager.metrics()

    figures = asyncio.run(run())
    assert (figures.active_journeys, figures.dead_letters) == (0, 1)


def test_a_file_of_the_earlier_format_is_taken_over(store, clock):
    """Its outputs and rows are made again of its input, under the same sequence numbers; nothing is told twice."""

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
    """As a crash leaves it: rows and outputs are behind the log. They come again; what was stored is not told twice."""

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


@contextmanager
def full_disk(limit):
    """No file of this process may grow beyond `limit` bytes: what the kernel says then is what a full disk says."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_failed_store_never_invents_a_journey(store, clock):
    """The call that failed has done nothing, in memory as on disk; when there is room again, all goes on."""

    async def run():
        async with manager_of(store, clock) as manager:
            await manager.register_journey("before")
            size = max(path.stat().st_size for path in store.parent.iterdir())
            with full_disk(size + 100_000):
                failed = 0
                for number in range(200):
                    try:
                        await manager.register_journey(f"journey-{number}", user_id="u" * 900)
                    except StoreUnavailableError:
                        failed += 1
                        with pytest.raises(UnknownJourneyError):
                            await manager.calculate_abandonment_cost(f"journey-{number}")
                assert 0 < failed < 200
                assert not (await manager.metrics()).is_healthy
            await manager.register_journey("after")
            open_now = (await manager.metrics()).active_journeys
        assert open_now == 202 - failed
        return failed

    failed = asyncio.run(run())
    assert len(registered(store)) == 202 - failed
    assert outputs(store) == replayed(store)


def test_a_file_that_is_no_store_is_refused(store, clock):
    """Nothing of it is overwritten, and no empty world is begun in its place."""
    store.parent.mkdir()
    store.write_bytes(b"no database at all" * 1000)
    with pytest.raises(StoreUnavailableError, match="not a database"):
        asyncio.run(manager_of(store, clock).start())
    assert store.read_bytes() == b"no database at all" * 1000


def test_a_second_owner_is_refused(store, clock):
    """Two that decide the same journeys would book twice; the first goes on."""

    async def run():
        async with manager_of(store, clock) as manager:
            with pytest.raises(StoreInUseError):
                await manager_of(store, clock).start()
            await manager.register_journey("still there")
        async with manager_of(store, clock) as manager:
            assert (await manager.metrics()).active_journeys == 1

    asyncio.run(run())


def test_simulated_and_live_time_do_not_mix(store, clock):
    """A store of 2025's simulated journeys must not be abandoned by the clock on the wall."""

    async def run():
        async with manager_of(store, clock) as manager:
            await manager.register_journey("simulated")
        with pytest.raises(StoreUnavailableError, match="keeps simulated time"):
            await JourneyTimeoutManager(store_path=store).start()

    asyncio.run(run())


def test_calls_before_the_start_and_after_the_stop_say_so(store, clock):
    """And a second stop does nothing."""

    async def run():
        manager = manager_of(store, clock)
        with pytest.raises(NotStartedError):
            await manager.register_journey("early")
        await manager.start()
        await manager.start()
        await manager.stop()
        await manager.stop()
        with pytest.raises(NotStartedError):
            await manager.check_timeouts()

    asyncio.run(run())


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


def test_a_deadline_fires_in_the_background(store):
    """Nobody checks: the monitoring task has booked it by itself."""

    async def run():
        async with JourneyTimeoutManager(TimeoutConfiguration(grace_seconds=0), store_path=store) as manager:
            await manager.register_journey("brief", timeout_days=0.3 / 86_400)
            while not (await manager.metrics()).abandonments:  # noqa: ASYNC110  (a manager has no event for it)
                await asyncio.sleep(0.01)
            assert (await manager.metrics()).active_journeys == 0

    asyncio.run(asyncio.wait_for(run(), 30))


def test_outputs_that_could_not_be_stored_come_later(store, clock):
    """The record is in the log, so the answer stands; a reader gets the output when the store takes it again."""

    async def run():
        async with manager_of(store, clock) as manager:
            await manager.record_touchpoint("journey", cost=1)
            await execute(store, "CREATE TRIGGER full BEFORE INSERT ON output BEGIN SELECT RAISE(ABORT, 'full'); END")
            assert (await manager.mark_abandoned("journey")).touchpoint_count == 1
            with pytest.raises(StoreUnavailableError, match="full"):
                await manager.abandonments(datetime_of(BEGIN))
            await execute(store, "DROP TRIGGER full")

    asyncio.run(run())
    assert [output.journey_id for output in outputs(store)] == ["journey", "journey"]
    assert outputs(store) == replayed(store)


async def execute(store, statement):
    """Have another connection change the file."""
    with sqlite3.connect(store) as connection:
        connection.execute(statement)
