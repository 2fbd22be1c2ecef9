"""What trainers' programs do at the door: batches, pools of processes, numpy, paths, files of others, signals."""

import asyncio
import importlib
import pkgutil
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest

import journeys
import training_orchestrator
from journeys.agents.settings.settings import Settings
from journeys.schemas.invalid import InvalidRecordError
from journeys.streams.rule.policy import Policy, policy_of_tables
from training_orchestrator import (
    AbandonmentFeed,
    AbandonmentReason,
    ConfigurationError,
    JourneyAlreadyAbandonedError,
    JourneyTimeoutManager,
    TimeoutConfiguration,
    TrainerTouchpoint,
    TrainingConfiguration,
    TrainingOrchestrator,
    UnknownJourneyError,
    create_timeout_manager,
)
from training_orchestrator.embedded.checked_clock import CheckedClock
from training_orchestrator.embedded.local_journeys import LocalJourneys
from training_orchestrator.sources.given_settings import given_settings

from .embedded import manager_of

SINCE = datetime(2020, 1, 1, tzinfo=UTC)


def ours(package):
    """All modules of a package that import here; those of an extra that is not installed are left out."""
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + ".", onerror=lambda _: None):
        if "__main__" in found.name:
            continue
        try:
            yield importlib.import_module(found.name)
        except ImportError:
            continue


def errors():
    """Every exception class of the packages."""
    found = set()
    for package in (journeys, training_orchestrator):
        for module in ours(package):
            kinds = (each for each in vars(module).values() if isinstance(each, type))
            found |= {
                each
                for each in kinds
                if issubclass(each, Exception) and each.__module__.startswith(("journeys.", "training_orchestrator."))
            }
    return sorted(found, key=lambda each: each.__qualname__)


def test_every_exception_comes_out_of_pickle_as_it_was():
    """Also one whose constructor takes more than its text; its attributes stay."""
    kinds = errors()
    assert {InvalidRecordError, JourneyAlreadyAbandonedError} <= set(kinds)
    for kind in kinds:
        error = kind.__new__(kind, "a text")
        error.args = ("a text",)
        error.seen = 7
        copy = ForkingPickler.loads(ForkingPickler.dumps(error))
        assert (type(copy), str(copy), copy.args, copy.seen) == (kind, str(error), error.args, 7)


def _refused(_):
    raise JourneyAlreadyAbandonedError("j", "was abandoned already", "6f", "TIMEOUT")


def _invalid(_):
    raise InvalidRecordError("cost", -1, "zero or more dollars")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_pool_of_processes_passes_errors_on(method):
    """A ProcessPoolExecutor broke, and a multiprocessing.Pool waited for ever."""
    with ProcessPoolExecutor(1, mp_context=get_context(method)) as pool:
        with pytest.raises(JourneyAlreadyAbandonedError) as refused:
            pool.submit(_refused, None).result(timeout=60)
        assert (refused.value.journey_id, refused.value.abandonment_id, refused.value.reason) == ("j", "6f", "TIMEOUT")
    with get_context(method).Pool(1) as pool:
        with pytest.raises(InvalidRecordError, match="cost: -1 is not allowed") as invalid:
            pool.map_async(_invalid, [None]).get(timeout=60)
        assert (invalid.value.field, invalid.value.expected) == ("cost", "zero or more dollars")


@pytest.mark.usefixtures("each_engine")
@pytest.mark.parametrize(
    "bad",
    [
        {"occurred_at": datetime.now(UTC) + timedelta(days=2)},
        {"cost": -1},
        {"propensity": True},
        {"conversion_probability": 1.5},
        {"state": "ASLEEP"},
        {"segment": ""},
    ],
    ids=lambda bad: next(iter(bad)),
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_batch_with_one_wrong_touchpoint_takes_none(store, bad, place):
    """Wherever it stands; said again without it, each counts once."""
    good = [TrainerTouchpoint("j", cost=1), TrainerTouchpoint("j", cost=2)]

    async def run():
        async with JourneyTimeoutManager(store_path=store) as manager:
            batch = [*good[:place], TrainerTouchpoint("j", **bad), *good[place:]]
            with pytest.raises(InvalidRecordError) as refused:
                await manager.record_touchpoints(batch)
            assert refused.value.field.startswith(next(iter(bad)))
            assert (await manager.metrics()).held_journeys == 0
            await manager.record_touchpoints(good)
            cost = await manager.calculate_abandonment_cost("j")
            return cost.touchpoint_count, (await manager.metrics()).dead_letters

    assert asyncio.run(run()) == (2, 0)


def test_true_is_no_number_anywhere(store):
    """It was an error of the encoder."""

    async def run():
        async with JourneyTimeoutManager(store_path=store) as manager:
            for field in ("conversion_probability", "propensity", "cost", "conversion_value"):
                with pytest.raises(InvalidRecordError, match=f"{field}: True is not allowed"):
                    await manager.record_touchpoint("j", **{field: True})

    asyncio.run(run())


def test_whole_numbers_of_numpy_are_whole_numbers(tmp_path):
    """In configurations and as the clock."""
    configuration = TimeoutConfiguration(
        default_timeout_days=np.int64(7),
        cleanup_batch_size=np.int32(10),
        state_penalty_weights={"AWARE": np.float32(0.5)},
    )
    assert configuration.policy().cleanup.batch_size == 10
    assert configuration.policy().deadlines.timeout_days == 7

    async def run():
        async with manager_of(tmp_path / "s", lambda: np.int64(1_760_000_000_000)) as manager:
            await manager.register_journey("j")

    asyncio.run(run())


def test_a_tilde_is_the_home_of_the_user(tmp_path, monkeypatch):
    """In stores, feeds and settings; it was a folder of that name."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    async def run():
        async with JourneyTimeoutManager(store_path="~/runs/s.sqlite3") as manager:
            await manager.register_journey("j")
            await manager.mark_abandoned("j")

    asyncio.run(run())
    assert (tmp_path / "runs" / "s.sqlite3").is_file()
    with AbandonmentFeed.from_store("~/runs/s.sqlite3", follow=False, start=None) as feed:
        assert [item.journey_id for item in feed] == ["j"]
    assert Settings(data_dir="~/data").data_dir == tmp_path / "data"
    with pytest.raises(ConfigurationError, match="store_path"):
        JourneyTimeoutManager(store_path="~nobody-of-that-name/s.sqlite3")
    assert not (tmp_path / "~").exists()


def test_an_env_file_of_another_program_stops_nothing(tmp_path, monkeypatch):
    """Whatever its bytes are, while it has none of our settings."""
    monkeypatch.chdir(tmp_path)
    env = Path(".env")
    for content in (b"NAME=\xe9\xff", b"\x00\x01", b"just text\nfoo bar"):
        env.write_bytes(content)
        assert given_settings().bootstrap_servers is None
    env.write_bytes(b"JOURNEYS_BOOTSTRAP_SERVERS=there:9092\nNAME=\xe9")
    with pytest.raises(ConfigurationError, match="byte 43 is not UTF-8"):
        given_settings()
    env.write_text("JOURNEYS_BOOTSTRAP_SERVERS=there:9092\n")
    assert given_settings().bootstrap_servers == "there:9092"


def test_a_timeout_beyond_the_cap_is_refused(store):
    """It was cut to 90 days without a word."""
    with pytest.raises(ConfigurationError, match="default_timeout_days: 120 is more than max_journey"):
        create_timeout_manager(timeout_days=120)
    with pytest.raises(ConfigurationError, match="journey_timeout_days: 120"):
        TrainingConfiguration(journey_timeout_days=120)
    assert TimeoutConfiguration(default_timeout_days=120, max_journey_duration_days=120).policy().timeout_ms

    async def run():
        async with TrainingOrchestrator(store_path=store) as run_of:
            with pytest.raises(InvalidRecordError, match=r"timeout_days: 120[.]0 is not allowed; expected at most 90"):
                await run_of.register_training_journey("j", timeout_days=120)
            with pytest.raises(UnknownJourneyError):
                await run_of.calculate_abandonment_cost("j")

    asyncio.run(run())


def policy_in_force(store, make=JourneyTimeoutManager, **more):
    """Policy in force after a manager has started and stopped."""

    async def run():
        made = make(store_path=store, **more)
        manager = getattr(made, "timeouts", made)
        await manager.start()
        policy = await manager.policy()
        await manager.stop()
        return policy

    return asyncio.run(run())


def test_a_configuration_stays_in_force_over_runs_without_one(store):
    """The second run was back at 14 days, silently."""
    days = Policy().deadlines.timeout_days
    assert policy_in_force(store).deadlines.timeout_days == days
    brought = policy_in_force(store, create_timeout_manager, timeout_days=7)
    assert brought.deadlines.timeout_days == 7
    for make in (JourneyTimeoutManager, create_timeout_manager, TrainingOrchestrator):
        assert policy_in_force(store, make) == brought
    assert policy_in_force(store, create_timeout_manager, timeout_days=14).deadlines.timeout_days == days


def test_all_of_the_rule_can_be_set_embedded(store, tmp_path):
    """By tables, by file and by object."""
    tables = {
        "version": "all-1",
        "limits": {"budget": "20"},
        "fatigue": {"touchpoints": 5, "window_hours": "2"},
        "extension": {"touchpoints": 2, "extend_by_days": "3"},
        "penalty": {"base_rate": "0.3", "decay": "0.5", "default_conversion_value": "7"},
    }
    expected = policy_of_tables(tables)
    assert policy_in_force(store, policy=tables) == expected
    assert policy_in_force(store) == expected
    file = tmp_path / "p.toml"
    file.write_text('version = "all-2"\n[penalty.reason_multiplier]\nTIMEOUT = 2\n')
    assert policy_in_force(store, TrainingOrchestrator, policy=file).penalty.reason_multiplier.TIMEOUT == 2
    assert policy_in_force(store, policy=expected) == expected
    for wrong in (tmp_path / "none.toml", {"version": "v", "fatigue": {"touchpoints": 0}}, {"penalties": {}}):
        with pytest.raises(ConfigurationError, match="policy: "):
            policy_in_force(store, policy=wrong)
    with pytest.raises(ConfigurationError, match="give one of them"):
        JourneyTimeoutManager(TimeoutConfiguration(), policy=expected)


def test_signals_end_journeys(store):
    """A competitor's sale, an exhausted budget and fatigue; an unknown one is refused with those that are known."""
    reasons = {
        "competitor_conversion": AbandonmentReason.COMPETITOR_CONVERSION,
        "budget_exhausted": AbandonmentReason.BUDGET_EXHAUSTED,
        "fatigue": AbandonmentReason.USER_FATIGUE,
    }

    async def run():
        async with TrainingOrchestrator(store_path=store) as run_of:
            for signal in reasons:
                await run_of.register_training_journey(signal)
                await run_of.record_signal(signal, signal)
            with pytest.raises(InvalidRecordError, match="signal: 'bored' is not allowed; expected one of competitor"):
                await run_of.record_signal("j", "bored")
            return {each.journey_id: each.reason for each in await run_of.timeouts.abandonments(SINCE)}

    assert asyncio.run(run()) == reasons


def test_the_check_interval_is_honoured(store):
    """Above a minute, too: without deadlines the next look is an interval after the last one."""
    journeys_of = LocalJourneys(store, None, CheckedClock(None))
    journeys_of.open()
    try:
        looked_at = journeys_of.partition.clock
        for minutes in (0.5, 1, 30, 120):
            assert journeys_of.punctuation_due_at(int(minutes * 60_000)) == looked_at + minutes * 60_000
    finally:
        journeys_of.close()
