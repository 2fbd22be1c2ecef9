"""The Redis mirror of connected managers: a real Kafka, a worker, and a Redis that is killed."""

import asyncio
import json
from time import monotonic

import pytest

from journeys.agents.inspect.row_reader import read_row
from journeys.streams.rule.policy import policy_from_json
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.left_out import left_out
from tests.live.topic_exchange import published
from tests.live.verified import verified
from training_orchestrator import AbandonmentFeed, JourneyTimeoutManager
from training_orchestrator.redis.redis_keys import (
    ABANDONMENTS,
    DEADLINES,
    POLICY,
    POLICY_ANSWER,
    SUMMARY,
    WANTED_POLICY,
)

from .contract import eventually
from .feed_of_store import PENALTY
from .redis_server import PROGRAM

pytestmark = [
    pytest.mark.broker,
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason=left_out("redis")),
]
COUNT = 60
HASTY = json.dumps({"version": "hasty-1", "deadlines": {"inactivity_hours": "24"}})
_WAIT_SECONDS = 60


async def until(look, otherwise):
    """Wait for something that is there."""
    deadline = monotonic() + _WAIT_SECONDS
    while not (found := await asyncio.to_thread(look)):
        assert monotonic() < deadline, otherwise
        await asyncio.sleep(0.05)
    return found


async def journeys(manager, begin):
    """Begin journeys, and abandon every third."""
    names = [f"journey-{number}" for number in range(begin, begin + COUNT)]
    await asyncio.gather(*(manager.record_touchpoint(name, state="INTENT", cost="2.5") for name in names))
    await asyncio.gather(*(manager.mark_abandoned(name) for name in names[::3]))
    return names


async def rebuilds(*managers):
    """How often each has filled Redis."""
    return [(await manager.metrics()).redis_rebuilds for manager in managers]


def test_connected_redis_holds_the_workers_journeys_and_the_log_decides(broker, workers, server):
    """Deadlines, summaries, stream and policy, kept by two managers at once; the stream gives what the topics give.

    Killed and started empty it is filled anew from the table and the topics. A policy that is wanted there is in the
    log, and in force. The log's outputs are those of a replay.
    """
    settings = emptied(broker, punctuation_interval_seconds=0.2)
    workers.start(settings).wait_until_logged("restored: partitions [0, 1, 2, 3]")
    client = server.client()

    def manager():
        return JourneyTimeoutManager(bootstrap_servers=settings.bootstrap_servers, redis_url=server.url)

    def holds(count):
        """Whether all open journeys of `count` begun ones have a deadline."""

        def look():
            try:
                return client.zcard(DEADLINES) == count - count // 3
            except OSError:
                return False

        return look

    async def run():
        async with manager() as first, manager() as second:
            await journeys(first, 0)
            await until(holds(COUNT), "the deadlines are not as the workers' table")
            await eventually(lambda: rebuilds(first, second), lambda found: min(found) >= 1)
            server.kill()
            await journeys(second, COUNT)  # nobody waits for Redis
            server.start()
            await until(holds(2 * COUNT), "it was not filled anew")
            client.set(WANTED_POLICY, HASTY)
            answer = await until(lambda: client.get(POLICY_ANSWER), "the policy was not answered")
            await until(lambda: client.get(POLICY) == policy_from_json(HASTY).to_json(), "the policy is not in force")
            await first.register_journey("behind")
            await until(lambda: client.zscore(DEADLINES, "behind"), "a journey is missing")
            filled = await rebuilds(first, second)
            expected = len({each.abandonment_id for each in await asyncio.to_thread(published, settings)})
            async with AbandonmentFeed.from_redis(server.url, rewards=PENALTY) as feed:
                items = await feed.take(expected, max_wait=_WAIT_SECONDS)
                checkpoint = feed.checkpoint()
            return answer, filled, items, checkpoint

    answer, filled, items, checkpoint = asyncio.run(run())
    assert answer == "appended: policy hasty-1, for episodes that begin after it"
    assert max(filled) >= 2  # by whoever found it empty first
    with AbandonmentFeed.from_kafka(settings.bootstrap_servers, follow=False, rewards=PENALTY) as feed:
        assert {(item.abandonment_id, item.reward) for item in feed} == {
            (item.abandonment_id, item.reward) for item in items
        }
    assert len(items) == 2 * COUNT // 3
    places = [(fields[b"place"], fields[b"offset"]) for _, fields in server.raw_client().xrange(ABANDONMENTS)]
    assert len(set(places)) == len(places)  # though two managers wrote
    with AbandonmentFeed.from_kafka(
        settings.bootstrap_servers, follow=False, start=checkpoint, rewards=PENALTY
    ) as feed:
        assert list(feed) == []
    workers.wait_until_applied(settings)
    row = asyncio.run(read_row(settings, "behind")).row
    assert row.policy_version == "hasty-1"
    assert client.zscore(DEADLINES, "behind") == row.deadline_at
    summary = client.hgetall(SUMMARY + "journey-1")
    assert (summary["state"], summary["touchpoints"], summary["cost_micros"]) == ("INTENT", "1", "2500000")
    verified(settings)
