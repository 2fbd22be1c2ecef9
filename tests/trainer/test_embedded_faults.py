"""Faults of an embedded store: each is an error, and nothing is charged."""

import asyncio
import resource
import sqlite3
from contextlib import contextmanager

import pytest

from training_orchestrator import (
    JourneyTimeoutManager,
    NotStartedError,
    StoreUnavailableError,
    UnknownJourneyError,
)
from training_orchestrator.api.local_time import datetime_of

from .embedded import manager_of
from .store_of_journeys import BEGIN
from .stored import outputs, registered, replayed

pytestmark = pytest.mark.usefixtures("each_engine")


@contextmanager
def full_disk(limit):
    """Limit the size of this process's files: the kernel then fails writes as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_failed_store_never_invents_a_journey(store, clock):
    """The failed call has changed nothing, in memory and on disk; with space again, calls work."""

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


def test_outputs_that_could_not_be_stored_come_later(store, clock):
    """The record is in the log, so the answer is valid; readers get the output once it can be stored."""

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


def test_a_file_that_is_no_store_is_refused(store, clock):
    """Nothing of it is overwritten, and no empty world is begun in its place."""
    store.parent.mkdir()
    store.write_bytes(b"no database at all" * 1000)
    with pytest.raises(StoreUnavailableError, match="not a database"):
        asyncio.run(manager_of(store, clock).start())
    assert store.read_bytes() == b"no database at all" * 1000


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
