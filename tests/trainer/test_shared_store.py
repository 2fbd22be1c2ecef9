"""One process, one store, many managers: of several loops and threads, blocking and not, forked and left open."""

import asyncio
import gc
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

import pytest

from training_orchestrator import (
    JourneyTimeoutManager,
    NotStartedError,
    StoreInUseError,
    StoreUnavailableError,
    SyncJourneyTimeoutManager,
    TimeoutConfiguration,
    TrainerTouchpoint,
    TrainingConfiguration,
    TrainingOrchestrator,
    create_timeout_manager,
)

from .embedded import manager_of
from .loop_beat import LoopBeat
from .store_of_journeys import DAY

SINCE = datetime(2020, 1, 1, tzinfo=UTC)


def test_both_usage_blocks_run_in_one_program(tmp_path, monkeypatch):
    """As they are promised: neither stops anything."""
    monkeypatch.chdir(tmp_path)

    async def run():
        timeout_manager = create_timeout_manager(timeout_days=14, project_id="your-project", dataset_id="gaelp")
        await timeout_manager.start()
        await timeout_manager.register_journey("journey-123", datetime.now(), "user-456")  # noqa: DTZ005  (as promised)
        config = TrainingConfiguration(
            journey_timeout_days=14, inactivity_threshold_hours=72, cleanup_stale_data_days=30
        )
        orchestrator = TrainingOrchestrator(config)
        await orchestrator.start_journey_monitoring()
        await orchestrator.register_training_journey("training-journey-789", "training-user-123")
        await orchestrator.check_journey_timeouts()
        await orchestrator.get_journey_abandonment_analytics(days=30)
        return await timeout_manager.metrics()

    assert asyncio.run(run()).active_journeys == 2


def test_the_last_manager_closes_the_store(store):
    """The others work until then; another process is kept out, and let in afterwards."""
    first, second = SyncJourneyTimeoutManager(store_path=store), SyncJourneyTimeoutManager(store_path=store)
    first.start()
    second.start()
    first.register_journey("j")
    first.stop()
    second.record_touchpoint("j", cost=1)
    assert in_new_process(store) == "StoreInUseError"
    second.stop()
    assert in_new_process(store) == 1


def in_new_process(store):
    """Open journeys that a process of its own sees, or the name of its error."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(open_and_count, store).result(timeout=60)


def open_and_count(store):
    """In a child: open the store."""
    try:
        with SyncJourneyTimeoutManager(store_path=store) as manager:
            return manager.metrics().active_journeys
    except StoreUnavailableError as error:
        return type(error).__name__


def test_each_manager_is_given_each_timeout_once(store, clock):
    """Whichever of them found it."""

    async def run():
        async with manager_of(store, clock) as one, manager_of(store, clock) as other:
            await one.register_journey("j")
            clock.at += 15 * DAY
            found = [await one.check_timeouts(), await one.check_timeouts()]
            found += [await other.check_timeouts(), await other.check_timeouts()]
            return [[each.journey_id for each in given] for given in found]

    assert asyncio.run(run()) == [["j"], [], ["j"], []]


def test_a_manager_of_another_kind_of_time_is_refused_and_the_store_works_on(store, clock):
    """Simulated time would end the journeys of a live one."""

    async def run():
        async with JourneyTimeoutManager(store_path=store) as live:
            with pytest.raises(StoreUnavailableError, match="keeps live time, this manager simulated time"):
                await manager_of(store, clock).start()
            await live.register_journey("j")
            return await live.metrics()

    assert asyncio.run(run()).active_journeys == 1


def test_a_second_managers_configuration_is_in_force_for_both(store):
    """One store has one policy; a manager without a configuration changes nothing."""
    with SyncJourneyTimeoutManager(store_path=store) as first:
        with SyncJourneyTimeoutManager(TimeoutConfiguration(default_timeout_days=7), store_path=store):
            assert first.policy().deadlines.timeout_days == 7
        with SyncJourneyTimeoutManager(store_path=store) as third:
            assert third.policy().deadlines.timeout_days == 7


def test_after_a_run_that_raised_the_store_can_be_opened_again(store):
    """In the same process, as in a notebook that keeps the traceback."""
    kept = []

    async def run():
        manager = JourneyTimeoutManager(store_path=store)
        await manager.start()
        await manager.register_journey("j")
        raise ZeroDivisionError

    for _ in range(3):
        try:
            asyncio.run(run())
        except ZeroDivisionError as error:
            kept.append(error)
    with SyncJourneyTimeoutManager(store_path=store) as manager:
        assert manager.metrics().active_journeys == 1
    kept.clear()


def test_a_manager_that_nobody_holds_any_more_lets_go_of_the_store(store):
    """It was never stopped, and its run is over."""
    asyncio.run(JourneyTimeoutManager(store_path=store).start())
    gc.collect()
    for _ in range(50):
        if in_new_process(store) == 0:
            return
    pytest.fail("the store stayed open")


def test_a_manager_works_in_any_loop_and_thread(store):
    """A blocking one in a running loop, as in a notebook, too."""

    async def within_a_loop(manager):
        manager.register_journey("notebook")

    with SyncJourneyTimeoutManager(store_path=store) as manager:
        asyncio.run(within_a_loop(manager))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: manager.record_touchpoint(f"j{n}", cost=1), range(40)))
        unbound = JourneyTimeoutManager(store_path=store)
        asyncio.run(unbound.start())
        asyncio.run(unbound.register_journey("loop"))
        asyncio.run(unbound.stop())
        manager.record_touchpoints([TrainerTouchpoint("batch"), TrainerTouchpoint("batch")])
        manager.record_signal("j0", "competitor_conversion")
        assert manager.calculate_abandonment_cost("batch").touchpoint_count == 2
        assert manager.extend_timeout("batch", 3) > manager.present() + timedelta(days=16)
        assert manager.mark_abandoned("batch").touchpoint_count == 2
        assert {each.journey_id for each in manager.abandonments(SINCE)} == {"j0", "batch"}
        assert manager.check_timeouts() == []
        assert manager.cleanup_stale_data() == 0
        assert manager.metrics().active_journeys == 41
    with pytest.raises(NotStartedError, match="call start"):
        manager.register_journey("j")


def forked(work):
    """Result of work in a forked child; it must end by itself."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return pool.submit(_CHILD.setdefault("work", work) and child_work).result(timeout=60)


_CHILD = {}


def child_work():
    """In the child: what the parent left for it."""
    return _CHILD["work"]()


@pytest.fixture(autouse=True)
def _no_work():
    yield
    _CHILD.clear()


def test_a_forked_child_is_told_and_starts_clean(store, tmp_path):
    """It hung; it has a store of its own, or waits for the parent's."""
    blocking, other = SyncJourneyTimeoutManager(store_path=store), JourneyTimeoutManager(store_path=store)
    blocking.start()
    asyncio.run(other.start())

    def child():
        told = []
        for call in (blocking.metrics, lambda: asyncio.run(other.metrics())):
            try:
                call()
            except NotStartedError as error:
                told.append("fork" in str(error))
        with SyncJourneyTimeoutManager(store_path=tmp_path / "own.sqlite3") as own:
            own.register_journey("j")
            told.append(own.metrics().active_journeys)
        try:
            blocking.start()
        except StoreInUseError:
            told.append("in use")
        return told

    assert forked(child) == [True, True, 1, "in use"]
    blocking.register_journey("j")
    asyncio.run(other.stop())
    blocking.stop()


def test_a_forked_child_does_not_keep_the_parents_lock(store):
    """The child lives on when the parent has stopped; a third process gets the store."""
    with SyncJourneyTimeoutManager(store_path=store) as manager:
        manager.register_journey("j")
        reads, writes = os.pipe()
        child = os.fork()
        if not child:
            os.close(writes)
            os.read(reads, 1)
            os._exit(0)
        os.close(reads)
    try:
        assert in_new_process(store) == 1
    finally:
        os.close(writes)
        os.waitpid(child, 0)


def test_a_bulk_call_converts_and_encodes_off_the_loop_and_without_full_collections(store):
    """A full collection over a batch's objects held every event loop for a quarter of a second and more."""
    collected = []

    def note(phase, info):
        if phase == "start":
            collected.append(info["generation"])

    async def run():
        async with JourneyTimeoutManager(store_path=store) as manager:
            batch = [TrainerTouchpoint(f"j{n % 900}", cost=1) for n in range(20_000)]
            gc.collect()
            collected.clear()
            async with LoopBeat() as beat:
                await manager.record_touchpoints(batch)
            ran = list(collected)
            return ran, beat.longest_cpu, (await manager.metrics()).applied

    gc.callbacks.append(note)
    try:
        ran, longest_cpu_ms, applied = asyncio.run(run())
    finally:
        gc.callbacks.remove(note)
    assert 2 not in ran
    assert longest_cpu_ms < 20
    assert applied == 20_000
    assert gc.isenabled()
