"""The feed from the stream in Redis: the items of a feed of the store, and no missing one is skipped."""

import asyncio
from time import monotonic

import pytest

from tests.fixtures.left_out import left_out
from training_orchestrator import AbandonmentFeed, JourneyTimeoutManager, StoreUnavailableError, TrainerTouchpoint
from training_orchestrator.redis.redis_keys import ABANDONMENTS, MIRROR, POSITION

from .redis_server import PROGRAM
from .store_of_journeys import DAY, ManualClock, fill

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason=left_out("redis")),
]
COUNT = 100
ENTRIES = COUNT + COUNT // 5 + COUNT // 10  # abandonments, returns, conversions of returned journeys
_WAIT_SECONDS = 30


@pytest.fixture
def store(server, tmp_path):
    """Give a store of 100 journeys, and its mirror in Redis."""
    path, clock = tmp_path / "journeys.sqlite3", ManualClock()
    asyncio.run(fill(path, COUNT, clock))
    asyncio.run(mirror(server, path, clock))
    return path


async def mirror(server, path, clock, entries=ENTRIES):
    """Have a manager fill Redis."""
    async with JourneyTimeoutManager(store_path=path, now=clock, redis_url=server.url):
        await until(lambda: server.client().xlen(ABANDONMENTS) == entries)


async def until(holds):
    """Wait until something holds."""
    deadline = monotonic() + _WAIT_SECONDS
    while not await asyncio.to_thread(holds):
        assert monotonic() < deadline
        await asyncio.sleep(0.02)


def all_of(make, **more):
    """Every present item, and the checkpoint after them."""
    with make(follow=False, **more) as feed:
        return list(feed), feed.checkpoint()


def redis(server):
    """Make feeds of a server's stream."""
    return lambda **more: AbandonmentFeed.from_redis(server.url, **more)


def stored(path):
    """Make feeds of a store."""
    return lambda **more: AbandonmentFeed.from_store(path, **more)


def some_of(make, count, **more):
    """The first items, and the checkpoint after them."""
    with make(follow=False, **more) as feed:
        return feed.take_blocking(count), feed.checkpoint()


def known(items):
    """What an item is, of which journey and when."""
    return [(item.kind, item.journey_id, item.detected_at, item.reward_micros) for item in items]


def test_the_stream_gives_what_the_store_gives(server, store):
    """The same items in the same order."""
    items, _ = all_of(redis(server))
    assert items == all_of(stored(store))[0]
    assert len(items) == ENTRIES


def test_a_checkpoint_goes_on_in_the_stream_the_store_and_back(server, store):
    """Positions are those of the store: each item comes once, from either source."""
    expected, _ = all_of(stored(store))
    first, checkpoint = some_of(redis(server), 30)
    second, checkpoint = some_of(stored(store), 30, start=checkpoint)
    third, checkpoint = some_of(redis(server), 30, start=checkpoint)
    rest, checkpoint = all_of(redis(server), start=checkpoint)
    assert known(first + second + third + rest) == known(expected)
    assert all_of(redis(server), start=checkpoint)[0] == all_of(stored(store), start=checkpoint)[0] == []


def test_a_feed_follows_through_a_stream_made_anew(server, store):
    """Deleted under the feed and filled again, with smaller ids: each item comes once."""
    client, clock = server.client(), ManualClock()
    clock.at += 8 * DAY
    client.xadd(ABANDONMENTS, {"of": "a clock that was ahead"}, id="99999999999999-0")

    async def run():
        async with AbandonmentFeed.from_redis(server.url) as feed:
            items = await feed.take(ENTRIES, max_wait=_WAIT_SECONDS)
            client.delete(MIRROR, POSITION, ABANDONMENTS)
            async with JourneyTimeoutManager(store_path=store, now=clock, redis_url=server.url) as manager:
                await until(lambda: client.xlen(ABANDONMENTS) == ENTRIES)
                await manager.record_touchpoints([TrainerTouchpoint("later", cost=1)])
                await manager.mark_abandoned("later")
                return items + await feed.take(1, max_wait=_WAIT_SECONDS)

    items = asyncio.run(run())
    assert len(set(known(items))) == len(items) == ENTRIES + 1
    assert items[-1].journey_id == "later"


@pytest.mark.parametrize(
    "lose",
    [
        lambda client: client.xtrim(ABANDONMENTS, maxlen=ENTRIES // 2, approximate=False),
        lambda client: client.xdel(ABANDONMENTS, client.xrange(ABANDONMENTS, count=50)[-1][0]),
    ],
    ids=["trimmed", "deleted"],
)
def test_what_the_stream_lacks_is_told_and_the_store_goes_on(server, store, lose):
    """An error instead of a gap; the same checkpoint then gives the rest from the store."""
    expected, _ = all_of(stored(store))
    first, checkpoint = some_of(redis(server), 20)
    lose(server.raw_client())
    with pytest.raises(StoreUnavailableError, match="go on with the same checkpoint from Kafka"):
        all_of(redis(server), start=checkpoint)
    rest, checkpoint = all_of(stored(store), start=checkpoint)
    assert known(first + rest) == known(expected)
    assert all_of(redis(server), start="latest")[0] == []


def test_what_is_none_of_ours_is_passed_over_and_what_is_spoilt_is_told(server, store):
    """Somebody else's entries do no harm; one of ours that was overwritten is a gap."""
    client = server.raw_client()
    expected, _ = all_of(stored(store))
    client.xadd(ABANDONMENTS, {"hello": "world"})
    client.xadd(ABANDONMENTS, {"kind": "abandoned", "place": "store:x", "offset": 1, "after": 0, "value": "spoilt"})
    assert known(all_of(redis(server))[0]) == known(expected)
    entries = client.xrange(ABANDONMENTS)
    client.delete(ABANDONMENTS)
    for number, (entry_id, fields) in enumerate(entries):
        client.xadd(ABANDONMENTS, fields | ({b"value": b"\x00spoilt"} if number == 50 else {}), id=entry_id)
    first, checkpoint = some_of(redis(server), 20)
    with pytest.raises(StoreUnavailableError, match="lacks outputs of store:0"):
        all_of(redis(server), start=checkpoint)
    assert known(first + all_of(stored(store), start=checkpoint)[0]) == known(expected)


def test_a_redis_that_is_away_is_told_and_a_new_feed_goes_on(server, store):
    """Killed under a feed that follows: an error, not the end; the checkpoint is valid for the store."""
    with AbandonmentFeed.from_redis(server.url) as feed:
        first = feed.take_blocking(10)
        server.kill()

        def drain():
            deadline = monotonic() + _WAIT_SECONDS
            while monotonic() < deadline:
                first.extend(feed.take_blocking(50, 0.1))

        with pytest.raises(StoreUnavailableError, match="Redis"):
            drain()
        checkpoint = feed.checkpoint()
    rest, _ = all_of(stored(store), start=checkpoint)
    assert known(first + rest) == known(all_of(stored(store))[0])
