"""A feed with `conversions=True` gives each conversion once, and the other items as without."""

import asyncio
from datetime import timedelta

import pytest

from training_orchestrator import AbandonmentFeed, CorrectionRule, JourneyTimeoutManager, RewardRule
from training_orchestrator.api.local_time import datetime_of

from .feed_of_store import replay_files
from .store_of_journeys import BEGIN, DAY, fill

COUNT = 40  # a tenth of them returns, and buys at once


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Give a store of journeys that return and buy, and one that buys at once, for 30 dollars."""
    path = tmp_path_factory.mktemp("store") / "journeys.sqlite3"

    async def run():
        await fill(path, COUNT)
        async with JourneyTimeoutManager(store_path=path, now=lambda: BEGIN + 7 * DAY) as manager:
            await manager.record_touchpoint("buyer", cost=2)
            await manager.record_touchpoint("buyer", state="CONVERTED", conversion_value=30)

    asyncio.run(run())
    return path


def all_of(store, **more):
    """Every item that there is now, of a feed of penalties."""
    more.setdefault("rewards", RewardRule(price="penalty"))
    with AbandonmentFeed.from_store(store, follow=False, **more) as feed:
        return list(feed)


def conversions(items):
    """Those of the items that are conversions."""
    return [item for item in items if item.kind == "conversion"]


def test_each_conversion_comes_once_and_changes_nothing_else(store):
    """With its value, scaled; without a value where no touchpoint has one."""
    tenths = RewardRule(scale=0.1, price="penalty")
    items = all_of(store, conversions=True, rewards=tenths)
    sold = conversions(items)
    assert len({item.journey_id for item in sold}) == len(sold) == COUNT // 10 + 1
    assert [item for item in items if item.kind != "conversion"] == all_of(store, rewards=tenths)
    (buyer,) = [item for item in sold if item.journey_id == "buyer"]
    assert (buyer.conversion_value, buyer.reward, buyer.converted_at) == (30, 3.0, datetime_of(BEGIN + 7 * DAY))
    assert {(item.conversion_value, item.reward) for item in sold if item is not buyer} == {(None, 0)}


def test_a_conversion_that_corrects_gives_both(store):
    """One record makes both items; a checkpoint between them keeps the second."""
    rule = CorrectionRule("conversion")
    items = all_of(store, conversions=True, corrections=rule)
    assert sum(item.kind == "correction" for item in items) == COUNT // 10
    between = next(place for place, item in enumerate(items) if item.kind == "conversion") + 1
    assert items[between].kind == "correction"
    with AbandonmentFeed.from_store(
        store, follow=False, conversions=True, corrections=rule, rewards=RewardRule(price="penalty")
    ) as feed:
        first = feed.take_blocking(between, 5)
        checkpoint = feed.checkpoint()
    assert first + all_of(store, conversions=True, corrections=rule, start=checkpoint) == items


def test_what_is_published_twice_is_given_once(store, tmp_path):
    """As abandonments are, also after a checkpoint."""
    paths = replay_files(store, tmp_path)
    for path in paths:
        path.write_text(path.read_text() * 3)
    with AbandonmentFeed.from_files(*paths, conversions=True) as feed:
        first = feed.take_blocking(COUNT + 3, 5)
        checkpoint = feed.checkpoint()
    with AbandonmentFeed.from_files(*paths, conversions=True, start=checkpoint) as feed:
        found = conversions(first + list(feed))
    assert len(found) == len({item.lifecycle_id for item in found}) == COUNT // 10 + 1


def test_as_of_holds_for_conversions(store):
    """None of the seventh day is known before."""
    before = datetime_of(BEGIN + 7 * DAY) - timedelta(milliseconds=1)
    assert len(conversions(all_of(store, conversions=True, as_of=before))) == COUNT // 10
