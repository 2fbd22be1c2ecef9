"""Wrong arguments: the error names the field, the value and what would be right."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from training_orchestrator import (
    AbandonmentFeed,
    ConfigurationError,
    CorrectionRule,
    InvalidRecordError,
    JourneyTimeoutManager,
    RewardRule,
    StoreUnavailableError,
    TimeoutConfiguration,
    TrainingConfiguration,
    TrainingOrchestrator,
    create_timeout_manager,
    export_dataset,
    log_as_json,
)

NO_DATETIME = "expected a datetime; a naive one is local time"
NO_DURATION = "expected a number above zero (at least a millisecond), at most 36500 days"
NO_REDIS = "this is not the URL of a Redis, such as redis://127.0.0.1:6379/0: "


def said(call, *kinds):
    """Text of the error of a call that must fail."""
    with pytest.raises(kinds) as refused:
        call()
    return str(refused.value)


def test_a_call_that_means_nothing_names_its_argument(tmp_path):
    """As the caller knows it; and the journey stays as unknown as it was."""
    wrong = [
        (lambda m: m.register_journey(7), "journey_id: 7 is not allowed; expected text"),
        (lambda m: m.register_journey("j", user_id=7), "user_id: 7 is not allowed; expected text or None"),
        (lambda m: m.register_journey("j", "2026-01-31"), f"start_time: '2026-01-31' is not allowed; {NO_DATETIME}"),
        (
            lambda m: m.register_journey("j", date(2026, 1, 31)),
            f"start_time: datetime.date(2026, 1, 31) is not allowed; {NO_DATETIME}",
        ),
        (lambda m: m.register_journey("j", timeout_days=1e-12), f"timeout_days: 1e-12 is not allowed; {NO_DURATION}"),
        (
            lambda m: m.register_journey("j", inactivity_hours=10**9),
            f"inactivity_hours: 1000000000 is not allowed; {NO_DURATION}",
        ),
        (
            lambda m: m.record_touchpoint("j", occurred_at=1.7e9),
            f"occurred_at: 1700000000.0 is not allowed; {NO_DATETIME}",
        ),
        (lambda m: m.record_touchpoint("j", action_id=7), "action_id: 7 is not allowed; expected text or None"),
        (
            lambda m: m.record_touchpoint("j", propensity="0.5"),
            "propensity: '0.5' is not allowed; expected a number or None",
        ),
        (lambda m: m.mark_abandoned("j", at="now"), f"at: 'now' is not allowed; {NO_DATETIME}"),
        (lambda m: m.mark_abandoned("j", note=7), "note: 7 is not allowed; expected text or None"),
        (
            lambda m: m.extend_timeout("j", timedelta(days=7)),
            f"days: datetime.timedelta(days=7) is not allowed; {NO_DURATION}",
        ),
        (lambda m: m.abandonments("2026"), f"since: '2026' is not allowed; {NO_DATETIME}"),
    ]

    async def run():
        async with JourneyTimeoutManager(store_path=tmp_path / "s.sqlite3") as manager:
            for call, text in wrong:
                with pytest.raises(InvalidRecordError) as refused:
                    await call(manager)
                assert str(refused.value) == text
                assert text.startswith(refused.value.field)
            return await manager.metrics()

    assert asyncio.run(run()).held_journeys == 0


def test_what_only_the_rule_can_refuse_is_told_in_its_words(tmp_path):
    """As an error of the call, not as a dead letter in the file."""

    async def run():
        async with JourneyTimeoutManager(store_path=tmp_path / "s.sqlite3") as manager:
            with pytest.raises(InvalidRecordError) as refused:
                await manager.register_journey("hasty", manager.present() + timedelta(days=2))
            return refused.value

    refused = asyncio.run(run())
    assert str(refused).startswith("occurred_at: '")
    assert str(refused).endswith("the append time and the policy's skew")
    assert refused.field == "occurred_at"


def test_a_bad_record_takes_no_other_callers_record_with_it(tmp_path):
    """Concurrent calls are applied in one turn."""

    async def run():
        async with JourneyTimeoutManager(store_path=tmp_path / "s.sqlite3") as manager:
            return await asyncio.gather(
                manager.register_journey("good"),
                manager.register_journey("bad", user_id=7),
                manager.record_touchpoint("fine", cost=1),
                return_exceptions=True,
            )

    good, bad, fine = asyncio.run(run())
    assert (good, fine) == (None, None)
    assert isinstance(bad, InvalidRecordError)


def test_numbers_of_numpy_are_numbers(tmp_path):
    """They are what trainers have; a float counts as its shortest text, in 32 bits, too."""

    async def run():
        async with JourneyTimeoutManager(store_path=tmp_path / "s.sqlite3") as manager:
            await manager.register_journey("j", timeout_days=np.int64(3), budget=np.float64(1000))
            for cost in (np.float32(0.1), np.float64(0.2), np.int64(3)):
                await manager.record_touchpoint("j", cost=cost, propensity=np.float32(0.5))
            await manager.mark_abandoned("j")
            return await manager.abandonments(datetime(2020, 1, 1, tzinfo=UTC))

    (found,) = asyncio.run(run())
    assert found.total_cost == 3.3


def test_a_configuration_that_means_nothing_is_refused_at_once(tmp_path):
    """By the constructor where it can be seen there, else by start()."""
    assert said(lambda: create_timeout_manager(timeout_days="14"), ConfigurationError) == (
        "default_timeout_days: '14' is not a number above zero"
    )
    assert said(lambda: TimeoutConfiguration(state_penalty_weights=[1]), ConfigurationError) == (
        "state_penalty_weights: [1] is not a dict by state"
    )
    assert said(lambda: JourneyTimeoutManager(TrainingConfiguration()), ConfigurationError).endswith(
        "is not a TimeoutConfiguration"
    )
    assert said(lambda: TrainingOrchestrator(TimeoutConfiguration()), ConfigurationError).endswith(
        "is not a TrainingConfiguration"
    )
    long = JourneyTimeoutManager(TimeoutConfiguration(cleanup_stale_data_days=1e9), store_path=tmp_path / "s.sqlite3")
    assert said(lambda: asyncio.run(long.start()), ConfigurationError) == (
        "this configuration makes no valid policy: cleanup.stale_data_days: '1000000000.0' input should be less than "
        "or equal to 36500"
    )
    mirrored = create_timeout_manager(store_path=tmp_path / "s.sqlite3", redis_url="127.0.0.1:6379")
    assert said(lambda: asyncio.run(mirrored.start()), ConfigurationError).startswith(NO_REDIS)
    assert said(lambda: AbandonmentFeed.from_redis("127.0.0.1"), ConfigurationError).startswith(NO_REDIS)
    assert said(lambda: AbandonmentFeed.from_store(as_of="2026"), ConfigurationError) == (
        f"as_of: '2026' is not allowed; {NO_DATETIME}"
    )
    assert said(lambda: export_dataset(tmp_path / "d", store_path="s", as_of="2026"), ConfigurationError).startswith(
        "as_of: "
    )
    assert said(lambda: RewardRule(scale="1"), ConfigurationError) == "scale: '1' is not a number above zero"
    assert said(lambda: CorrectionRule(mature_after_days=-1), ConfigurationError) == (
        "mature_after_days: -1 is not a number from 0 to 36500"
    )
    assert said(lambda: log_as_json("loud"), ConfigurationError) == (
        "level: 'loud' is not one of debug, info, warning, error"
    )
    assert not (tmp_path / "s.sqlite3").exists()


def test_a_setting_that_means_nothing_is_told_in_one_line(monkeypatch, tmp_path):
    """Of the environment, wherever it is read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOURNEYS_SECURITY_PROTOCOL", "TLS")
    told = said(AbandonmentFeed.from_settings, ConfigurationError)
    assert told.startswith("setting security_protocol: 'TLS' is not allowed: ")
    assert said(lambda: asyncio.run(JourneyTimeoutManager().start()), ConfigurationError) == told
    assert said(lambda: export_dataset("steps.parquet"), ConfigurationError) == told


def test_a_store_that_is_not_there_is_said_to_be_that(tmp_path):
    """By a feed and by an export; neither makes an empty one."""
    missing = tmp_path / "none.sqlite3"

    def read():
        with AbandonmentFeed.from_store(missing, follow=False) as feed:
            list(feed)

    expected = f"{missing}: there is no such store"
    assert said(read, StoreUnavailableError) == expected
    assert said(lambda: export_dataset(tmp_path / "d", store_path=missing), StoreUnavailableError) == expected
    assert not missing.exists()
