"""The feed: each abandonment once, corrections after it, and as_of."""

import asyncio
from datetime import timedelta

import pytest

from training_orchestrator import (
    AbandonmentFeed,
    ConfigurationError,
    CorrectionRule,
    JourneyTimeoutManager,
    NotStartedError,
    RewardRule,
)
from training_orchestrator.api.local_time import datetime_of

from .feed_of_store import COUNT, PENALTY, all_of, split
from .store_of_journeys import BEGIN, DAY, fill


def test_each_abandonment_comes_once_with_its_reward_and_components(full_store):
    """Reward is minus the total penalty, and the components give the penalty again."""
    abandoned, _ = split(all_of(full_store))
    assert len({item.abandonment_id for item in abandoned}) == len(abandoned) == COUNT
    for item in abandoned:
        penalty = item.total_cost * (0.15 + item.state_weight) * item.time_factor * item.reason_multiplier
        assert item.penalty.penalty_amount == pytest.approx(penalty, abs=1e-6)
        assert item.reward == -item.total_penalty_micros / 1e6
        assert item.reward == pytest.approx(-item.penalty.total)
        assert (item.terminated, item.truncated) == (False, True)  # silence is censoring, not an outcome
        assert item.action_id == f"bid-{int(item.journey_id[-5:])}"


def test_a_return_takes_back_what_its_abandonment_gave(full_store):
    """A correction for every fifth journey, after its abandonment; the two sum to zero."""
    items = all_of(full_store)
    abandoned, corrections = split(items)
    rewards = {item.abandonment_id: item.reward for item in abandoned}
    assert len({item.abandonment_id for item in corrections}) == len(corrections) == COUNT // 5
    for item in corrections:
        assert rewards[item.abandonment_id] + item.reward == 0
        assert item.because == "returned"
    assert sum(item.converts_at_once for item in corrections) == COUNT // 10
    places = {item.abandonment_id: place for place, item in enumerate(items) if item.kind == "abandonment"}
    assert all(places[item.abandonment_id] < place for place, item in enumerate(items) if item.kind == "correction")


@pytest.mark.parametrize(
    ("rule", "count", "share"),
    [
        (CorrectionRule("conversion"), COUNT // 10, 1),
        (CorrectionRule("return", share=0.25), COUNT // 5, 0.25),
        (CorrectionRule("never"), 0, 0),
    ],
)
def test_what_corrects_and_by_how_much_is_the_trainers_to_say(full_store, rule, count, share):
    """Upon a conversion only, in part, or never."""
    abandoned, corrections = split(all_of(full_store, corrections=rule))
    rewards = {item.abandonment_id: item.reward for item in abandoned}
    assert len(corrections) == count
    assert all(item.reward == -rewards[item.abandonment_id] * share for item in corrections)


def test_scaling_and_clipping_are_explicit_and_a_correction_undoes_both(full_store):
    """A tenth of a reward per dollar, at most 0.2 below zero."""
    plain, _ = split(all_of(full_store))
    clipped, corrections = split(all_of(full_store, rewards=RewardRule(scale=0.1, clip=0.2, price="penalty")))
    assert [item.reward for item in clipped] == [max(item.reward * 0.1, -0.2) for item in plain]
    assert {item.reward for item in clipped} > {-0.2}
    rewards = {item.abandonment_id: item.reward for item in clipped}
    assert all(rewards[item.abandonment_id] + item.reward == 0 for item in corrections)


def test_as_of_gives_what_was_known_then(full_store):
    """Nothing before the fourth day, then the abandonments, after the sixth the returns."""
    counts = []
    for day in (3, 5, 6.5):
        abandoned, corrections = split(all_of(full_store, as_of=datetime_of(BEGIN + int(day * DAY))))
        counts.append((len(abandoned), len(corrections)))
    assert counts == [(0, 0), (COUNT, 0), (COUNT, COUNT // 5)]


def test_maturity_is_looked_at_as_of_the_same_instant(full_store):
    """A return may name an abandonment for 30 days: a day before, it can still be corrected."""
    ended = BEGIN + 3 * DAY
    for days, mature in ((29, False), (31, True)):
        abandoned, _ = split(all_of(full_store, as_of=datetime_of(ended + days * DAY)))
        assert {item.is_mature for item in abandoned} == {mature}


def test_start_earliest_latest_or_an_instant(full_store):
    """From an instant on: the corrections' abandonments were before, so they are held."""
    assert all_of(full_store, start="latest") == []
    with AbandonmentFeed.from_store(
        full_store, follow=False, start=datetime_of(BEGIN + 5 * DAY), rewards=PENALTY
    ) as feed:
        assert list(feed) == []
        assert feed.held_corrections == COUNT // 5
    at_detection = datetime_of(BEGIN + 4 * DAY)
    assert len(all_of(full_store, start=at_detection)) == COUNT + COUNT // 5
    assert len(all_of(full_store, start=at_detection + timedelta(milliseconds=1))) == 0


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_batches_by_size_cut_the_same_items(full_store, size):
    """However they are cut; an async trainer gets the same."""

    async def read():
        async with AbandonmentFeed.from_store(full_store, follow=False, rewards=PENALTY) as feed:
            return [batch async for batch in feed.batches(max_records=size)]

    with AbandonmentFeed.from_store(full_store, follow=False, rewards=PENALTY) as feed:
        blocking = list(feed.batches(max_records=size))
    assert asyncio.run(read()) == blocking
    assert [item for batch in blocking for item in batch] == all_of(full_store)
    assert {len(batch) for batch in blocking[:-1]} <= {size}


def test_a_plain_iterator_works_inside_a_running_loop(full_store):
    """As in a notebook: blocking calls while an event loop runs."""

    async def notebook():
        return all_of(full_store)

    assert len(asyncio.run(notebook())) == COUNT + COUNT // 5


def test_a_following_feed_gives_what_comes(tmp_path):
    """It waits at the end, in batches that max_wait cuts, and another process may write meanwhile."""
    store = tmp_path / "journeys.sqlite3"

    async def run():
        await fill(store, 10)
        async with AbandonmentFeed.from_store(store, start="latest") as feed:
            assert await feed.take(max_wait=0.05) == []
            waiting = asyncio.create_task(feed.take(max_records=1, max_wait=30))
            async with JourneyTimeoutManager(store_path=store, now=lambda: BEGIN + 8 * DAY) as manager:
                await manager.record_touchpoint("new", cost=5)
                await manager.mark_abandoned("new")
            return await waiting

    (item,) = asyncio.run(run())
    assert item.journey_id == "new"


def test_what_means_nothing_is_refused(full_store):
    """Field, value, and what would be right."""
    for wrong in (
        lambda: RewardRule(scale=-1),
        lambda: RewardRule(clip=0, price="penalty"),
        lambda: RewardRule(clip=1),
        lambda: RewardRule(price="spend"),
        lambda: AbandonmentFeed.from_store(full_store, corrections=CorrectionRule("never")),
        lambda: AbandonmentFeed.from_store(full_store, corrections=CorrectionRule("conversion")),
        lambda: AbandonmentFeed.from_store(full_store, corrections=CorrectionRule(share=0.5)),
        lambda: AbandonmentFeed.from_store(full_store, conversions=False),
        lambda: AbandonmentFeed.from_files("abandonments.jsonl"),
        lambda: CorrectionRule("sometimes"),
        lambda: CorrectionRule(share=0),
        lambda: AbandonmentFeed.from_store(full_store, start="yesterday"),
        lambda: AbandonmentFeed.from_store(full_store).batches(max_records=0),
    ):
        with pytest.raises(ConfigurationError, match=r"^\w+: "):
            wrong()
    with pytest.raises(NotStartedError):
        AbandonmentFeed.from_store(full_store).checkpoint()
