"""The ledger: every penalty goes once to the steps that earned it, and the sums are exact."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from journeys.schemas.records import Touchpoint
from tests.fixtures.examples import examples
from tests.properties.logs import logs
from training_orchestrator import (
    AbandonmentItem,
    AbandonmentPenalty,
    AbandonmentReason,
    ConfigurationError,
    ConversionItem,
    CorrectionItem,
    CorrectionRule,
    RewardLedger,
    RewardRule,
)
from training_orchestrator.api.local_time import datetime_of
from training_orchestrator.feed.feed_checkpoint import BadCheckpointError
from training_orchestrator.feed.feed_items import RewardParts

from .fed import fed, micros

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
FAR = datetime(2200, 1, 1, tzinfo=UTC)


def abandoned(days=4, penalty=7, action_id="c", name="abandonment", **more):
    """Abandonment of journey-1, begun at BEGIN, after some days."""
    reason = AbandonmentReason.INACTIVITY
    said = {
        "journey_id": "journey-1",
        "abandonment_id": name,
        "user_id": None,
        "reason": reason,
        "state": "AWARE",
        "started_at": BEGIN,
        "last_touchpoint_at": BEGIN + DAY,
        "abandoned_at": BEGIN + days * DAY,
        "detected_at": BEGIN + days * DAY,
        "total_cost": 9.0,
        "penalty": AbandonmentPenalty(penalty, 0, reason, days, 3),
        "state_weight": 0.1,
        "time_factor": 0.5,
        "reason_multiplier": 0.8,
        "total_penalty_micros": penalty * 1_000_000,
        "reward": -float(penalty),
        "terminated": False,
        "truncated": True,
        "is_mature": False,
        "action_id": action_id,
        "touchpoint_policy_version": None,
        "propensity": None,
        "policy_version": "v1",
        "segment": None,
        "spend_micros": 9_000_000,
        "parts": RewardParts(rest=-penalty * 1_000_000),
    }
    return AbandonmentItem(**(said | more))


def corrected(reward=7.0, name="abandonment"):
    """The correction of it, two days later."""
    return CorrectionItem(
        name,
        "journey-1",
        "returned",
        BEGIN + 6 * DAY,
        False,
        round(reward * 1e6),
        reward,
        RewardParts(rest=round(reward * 1e6)),
    )


def three_steps(**more):
    """A ledger with three steps of journey-1, one of another journey, and one of a later episode of journey-1."""
    ledger = RewardLedger(**more)
    for hours, name in ((0, "a"), (12, "b"), (24, "c")):
        ledger.act("journey-1", name, BEGIN + timedelta(hours=hours))
    ledger.act("journey-2", "other", BEGIN)
    ledger.act("journey-1", "later", BEGIN + 5 * DAY)
    return ledger


def shares(found):
    """Micros by action."""
    return {late.action_id: late.reward_micros for late in found}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"rule": "last_touch"}, {"c": -7_000_000}),
        ({"rule": "linear"}, {"a": -2_333_333, "b": -2_333_333, "c": -2_333_334}),
        ({"rule": "time_decay", "half_life_days": 0.5}, {"a": -1_000_000, "b": -2_000_000, "c": -4_000_000}),
    ],
)
def test_a_penalty_goes_to_the_steps_of_its_episode_and_a_correction_takes_each_share_back(more, expected):
    """Not to the journey's next episode, nor to another journey."""
    ledger = three_steps(**more)
    assert shares(ledger.take(abandoned())) == expected
    assert shares(ledger.take(corrected())) == {name: -share for name, share in expected.items()}
    assert (ledger.credited_micros, ledger.uncredited_micros) == (0, 0)


def test_what_others_have_earned_is_credited_to_nobody_here():
    """The last action was another trainer's, the journey is unknown, or its abandonment was before the ledger."""
    ledger = three_steps()
    assert ledger.take(abandoned(action_id="another trainer's")) == []
    assert ledger.take(abandoned(penalty=2, journey_id="journey-9", name="unknown")) == []
    assert ledger.take(corrected(0.5, name="before")) == []
    assert (ledger.credited_micros, ledger.uncredited_micros) == (0, -8_500_000)


def test_a_step_settles_when_nothing_more_can_come():
    """An abandonment with its correction or when none can follow, a step without an end later."""
    ledger = three_steps(longest_days=90, mature_after_days=30, lag_days=1)
    ledger.take(abandoned())
    assert ledger.settled(BEGIN + 34 * DAY) == []
    assert [step.action_id for step in ledger.settled(BEGIN + 35 * DAY)] == ["a", "b", "c"]
    assert [step.action_id for step in ledger.settled(BEGIN + 91 * DAY)] == ["other"]
    assert [step.action_id for step in ledger.settled(BEGIN + 96 * DAY)] == ["later"]
    assert len(ledger) == 0
    assert ledger.take(corrected()) == []
    assert ledger.uncredited_micros == 7_000_000

    ledger = three_steps()
    ledger.take(abandoned())
    ledger.take(corrected())
    assert [(step.action_id, step.reward_micros) for step in ledger.settled(BEGIN)] == [("a", 0), ("b", 0), ("c", 0)]


def test_the_last_step_of_an_episode_says_how_it_ended():
    """Silence truncates, an outcome terminates, and an outcome that was none truncates."""
    for item, expected in ((abandoned(), (False, True)), (abandoned(terminated=True, truncated=False), (True, False))):
        ledger = three_steps(mature_after_days=0, lag_days=0)
        ledger.take(item)
        assert [(step.terminated, step.truncated) for step in ledger.settled(BEGIN + 4 * DAY)] == [
            *[(False, False)] * 2,
            expected,
        ]
    ledger = three_steps()
    ledger.take(abandoned(terminated=True, truncated=False))
    ledger.take(corrected())
    assert [(step.terminated, step.truncated) for step in ledger.settled(BEGIN)][-1] == (False, True)


def test_a_conversion_settles_its_episode_at_once_and_is_credited_without_what_is_booked():
    """What the trainer has booked by itself is left out: the spend of 9, the sale of 40, or both."""
    sold = ConversionItem(
        lifecycle_id="id",
        journey_id="journey-1",
        started_at=BEGIN,
        converted_at=BEGIN + 2 * DAY,
        detected_at=BEGIN + 2 * DAY,
        conversion_value=40.0,
        value_micros=40_000_000,
        spend_micros=9_000_000,
        state="CONVERTED",
        policy_version="v1",
        reward=31.0,
        parts=RewardParts(40_000_000, -9_000_000),
    )
    given = {"none": {"c": 31_000_000}, "sales": {"c": -9_000_000}, "spend": {"c": 40_000_000}, "both": {}}
    for booked, expected in given.items():
        ledger = RewardLedger.from_bytes(three_steps(booked=booked).to_bytes())
        assert shares(ledger.take(sold)) == expected
        steps = ledger.settled(BEGIN)
        assert [(step.action_id, step.terminated) for step in steps] == [("a", False), ("b", False), ("c", True)]


@settings(max_examples=examples(300), deadline=None)
@given(
    entries=logs(),
    rule=some.sampled_from(["last_touch", "linear", "time_decay", "position"]),
    corrections=some.sampled_from([CorrectionRule(), CorrectionRule("conversion", share=0.3), CorrectionRule("never")]),
    rewards=some.sampled_from(
        [RewardRule(), RewardRule(scale=0.37), RewardRule(scale=0.37, clip=1.5, price="penalty")]
    ),
    behind=some.integers(0, 12),
    restarts=some.sets(some.integers(0, 60)),
)
def test_all_that_a_feed_gives_is_accounted_for_once(entries, rule, corrections, rewards, behind, restarts):
    """Random logs, through a feed that lags some records, with restarts: exactly, corrections included."""
    ledger = RewardLedger(rule)
    given_items, waiting, told, acted = [], [], Counter(), set()
    for number, (record, items) in enumerate(fed(entries, rewards=rewards, corrections=corrections)):
        # What a producer sends again is no second step.
        if isinstance(record, Touchpoint) and record.action_id not in acted | {None}:
            acted.add(record.action_id)
            ledger.act(record.journey_id, record.action_id, datetime_of(record.occurred_at))
        waiting.append(items)
        if len(waiting) > behind:
            given_items += (taken := waiting.pop(0))
            for late in [late for item in taken for late in ledger.take(item)]:
                told[late.journey_id, late.action_id] += late.reward_micros
        if number in restarts:
            ledger = RewardLedger.from_bytes(ledger.to_bytes())
    assert ledger.credited_micros + ledger.uncredited_micros == micros(given_items)
    steps = ledger.settled(FAR)
    assert len(ledger) == 0
    assert len({(step.journey_id, step.action_id) for step in steps}) == len(steps)
    assert sum(step.reward_micros for step in steps) == ledger.credited_micros == told.total()
    assert all(told[step.journey_id, step.action_id] == step.reward_micros for step in steps)


@pytest.mark.parametrize("spoil", [lambda stored: stored[:-3], lambda _: b"", lambda stored: b"x" + stored[1:]])
def test_a_spoilt_ledger_is_refused(spoil):
    """Cut off or changed."""
    with pytest.raises(BadCheckpointError, match="not a whole ledger"):
        RewardLedger.from_bytes(spoil(three_steps().to_bytes()))


def test_what_means_nothing_is_refused():
    """Field and value are named, before the first step."""
    with pytest.raises(ConfigurationError, match="rule: 'first'"):
        RewardLedger("first")
    with pytest.raises(ConfigurationError, match="lag_days: -1"):
        RewardLedger(lag_days=-1)
