"""The Redis mirror of an embedded manager: killed, started empty, frozen, flushed and damaged under load."""

import asyncio
import os
import sqlite3
from time import monotonic

import pytest
import redis

from benchmarks.results import RESULTS, described_run, write_results
from journeys.schemas.codec import Codec
from journeys.schemas.records import JourneyAbandoned
from journeys.streams.partition.driver import replay_partition
from journeys.streams.partition.state import Partition
from journeys.streams.rule.policy import DEFAULT_POLICY
from tests.fixtures.left_out import left_out
from training_orchestrator import JourneyTimeoutManager, TrainerTouchpoint
from training_orchestrator.embedded.local_log import entries_of
from training_orchestrator.redis.redis_keys import ABANDONMENTS, DEADLINES, MIRROR, POLICY, POSITION, SUMMARY

from .loop_beat import LoopBeat
from .redis_holds import RedisHolds
from .redis_server import PROGRAM
from .store_of_journeys import BEGIN, DAY, ManualClock
from .stored import outputs, replayed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason=left_out("redis")),
]
FROZEN_SECONDS = 30 if os.environ.get("JOURNEYS_TEST_LONG") else 0
WAIT_SECONDS = 40
LONGEST_MS = 50
BLOCKED_MS = 500


def truth(store):
    """Open journeys of a store with their deadlines, as a replay of its log has them, and its abandonments."""
    partition = Partition()
    with sqlite3.connect(store) as connection:
        for batch in entries_of(connection, 0, Codec()):
            for _ in replay_partition(batch, partition):
                pass
    deadlines = {name: row.deadline_at for name, row in partition.rows.items() if row.open}
    return deadlines, [each for each in outputs(store) if isinstance(each, JourneyAbandoned)]


def mirrored(server):
    """What Redis holds: deadlines, and the abandonments of the stream in their order."""
    client = server.client()
    deadlines = {name: int(at) for name, at in client.zrange(DEADLINES, 0, -1, withscores=True)}
    entries = [fields for _, fields in server.raw_client().xrange(ABANDONMENTS)]
    codec = Codec()
    return deadlines, [codec.decode(fields[b"value"]) for fields in entries if fields[b"kind"] == b"abandoned"]


async def until_mirrored(server, store):
    """Wait until Redis equals the store."""
    expected = await asyncio.to_thread(truth, store)
    assert all(expected)
    deadline = monotonic() + WAIT_SECONDS
    found = None
    while found != expected:
        assert monotonic() < deadline, f"Redis is not as the store is, but {str(found)[:500]}"
        await asyncio.sleep(0.05)
        try:
            found = await asyncio.to_thread(mirrored, server)
        except redis.ResponseError as error:  # it is spoilt still
            found = error


async def load(manager, clock, rounds, begin=0, pace=0.01):
    """Journeys that begin, go on, and end, in rounds with `pace` seconds between them."""
    for number in range(begin, begin + rounds):
        names = [f"journey-{number}-{each}" for each in range(40)]
        await manager.record_touchpoints(
            [TrainerTouchpoint(name, "AWARE", 2, touchpoint_id=f"{name}-1") for name in names]
        )
        for name in names[::8]:
            await manager.mark_abandoned(name)
        clock.at += DAY // 4
        await manager.check_timeouts()
        await asyncio.sleep(pace)


async def load_until(manager, clock, wanted, rounds):
    """Make load until the breaker has the state; returns the number of rounds."""
    deadline = monotonic() + WAIT_SECONDS
    while (state := (await manager.metrics()).redis_breaker) != wanted:
        await load(manager, clock, 1, begin=rounds, pace=0.05)
        rounds += 1
        assert monotonic() < deadline, f"the breaker stayed {state}"
    return rounds


def test_redis_holds_deadlines_summaries_stream_and_policy(server, tmp_path):
    """All documented keys; after a restart of the manager they are continued, and consumer groups are kept."""
    store, clock = tmp_path / "s.sqlite3", ManualClock()

    async def run():
        async with JourneyTimeoutManager(store_path=store, now=clock, redis_url=server.url) as manager:
            await load(manager, clock, 20)
            await manager.register_journey("open")
            await manager.record_touchpoint("open", state="INTENT", cost="2.5")
            await until_mirrored(server, store)
            client = server.client()
            client.xgroup_create(ABANDONMENTS, "trainers", "0")
            summary = client.hgetall(SUMMARY + "open")
            assert 0 < client.ttl(SUMMARY + "open") <= 86_400
        async with JourneyTimeoutManager(store_path=store, now=clock, redis_url=server.url) as manager:
            await load(manager, clock, 5, begin=20)
            await until_mirrored(server, store)
        return client, summary

    client, summary = asyncio.run(run())
    deadline = int(client.zscore(DEADLINES, "open"))
    assert summary == {
        "state": "INTENT",
        "touchpoints": "1",
        "cost_micros": "2500000",
        "deadline_at": str(deadline),
        "outcome": "",
    }
    assert client.hget(SUMMARY + "journey-0-0", "outcome") == "MANUAL_TERMINATION"
    assert client.get(POLICY) == DEFAULT_POLICY.to_json()
    assert [group["name"] for group in client.xinfo_groups(ABANDONMENTS)] == ["trainers"]
    assert client.info("commandstats").keys().isdisjoint({"cmdstat_keys", "cmdstat_scan"})  # nobody searches all keys


def measured(rounds, figures, holds, beat, quiet):
    """Results of a run with Redis, and of one without."""
    return {
        "frozen_seconds": FROZEN_SECONDS,
        "touchpoints": rounds * 40,
        "breaker_openings": figures.redis_openings,
        "rebuilds": figures.redis_rebuilds,
        "loop_longest_ms": {
            name: {"with_redis": round(getattr(beat, name), 1), "without": round(getattr(quiet, name), 1)}
            for name in ("longest_blocked", "longest_cpu", "longest_wall")
        },
        "redis_on_the_loop": {
            "pieces": holds.pieces,
            "longest_ms": {
                "blocked": round(holds.longest_blocked, 1),
                "cpu": round(holds.longest_cpu, 1),
                "collection": round(holds.longest_collection, 1),
                "wall": round(holds.longest_wall, 1),
            },
        },
    }


def test_killed_started_empty_and_frozen_under_load_changes_nothing(server, tmp_path):
    """The outputs are those of a manager without Redis; the breaker opens and closes; then Redis is right again.

    The long form has Redis frozen for 30 s, and writes the figures to benchmarks/results/redis.json.
    """
    store, plain = tmp_path / "s.sqlite3", tmp_path / "plain.sqlite3"
    clock = ManualClock()

    async def run():
        rounds = 10
        with RedisHolds() as holds:
            return *await through_all(rounds), holds

    async def through_all(rounds):
        async with JourneyTimeoutManager(store_path=store, now=clock, redis_url=server.url) as manager:
            await load(manager, clock, rounds)
            await until_mirrored(server, store)
            beat = LoopBeat()
            async with beat:
                server.kill()
                rounds = await load_until(manager, clock, "opened", rounds)
            await asyncio.to_thread(server.start)  # a fork holds all threads: not the manager's doing
            async with beat:
                rounds = await load_until(manager, clock, "closed", rounds)
                server.pause()
                frozen = monotonic()
                rounds = await load_until(manager, clock, "opened", rounds)
                while monotonic() < frozen + FROZEN_SECONDS:
                    await load(manager, clock, 1, begin=rounds, pace=0.05)
                    rounds += 1
                server.go_on()
                rounds = await load_until(manager, clock, "closed", rounds)
            await until_mirrored(server, store)
            return rounds, beat, await manager.metrics()

    rounds, beat, figures, holds = asyncio.run(run())

    async def without():
        again = ManualClock()
        async with JourneyTimeoutManager(store_path=plain, now=again) as manager:
            await load(manager, again, 10)
            async with LoopBeat() as quiet:
                await load(manager, again, rounds - 10, begin=10)
            return quiet

    quiet = asyncio.run(without())
    told = measured(rounds, figures, holds, beat, quiet)
    print("\n", told)
    if FROZEN_SECONDS:
        write_results(described_run() | told, RESULTS / "redis.json")
    assert figures.redis_openings >= 2
    assert figures.redis_rebuilds >= 3
    # What Redis's pieces ran is ours. What they waited for holds the machine's pauses, too, with Redis and without:
    # a call that blocks on a Redis that is frozen would last as long as the client's timeout, a second.
    assert holds.pieces > rounds
    assert holds.longest_cpu < LONGEST_MS, told
    assert holds.longest_blocked < (LONGEST_MS if FROZEN_SECONDS else BLOCKED_MS), told
    assert beat.longest_blocked < BLOCKED_MS, told
    assert outputs(store) == replayed(store)
    assert [each.abandonment_id for each in outputs(store) if isinstance(each, JourneyAbandoned)] == [
        each.abandonment_id for each in outputs(plain) if isinstance(each, JourneyAbandoned)
    ]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda client: client.flushall(),
        lambda client: client.set(DEADLINES, "spoilt"),
        lambda client: client.set(ABANDONMENTS, "spoilt"),
        lambda client: client.set(POSITION, "spoilt"),
        lambda client: client.hset(POSITION, "store:0", "spoilt"),
        lambda client: client.set(SUMMARY + "journey-5-1", "spoilt"),
        lambda client: client.delete(ABANDONMENTS),
        lambda client: client.delete(DEADLINES),
        lambda client: client.set(MIRROR, "somebody else"),
    ],
    ids=[
        *("flushed", "deadlines", "stream", "position", "position's field", "summary"),
        *("stream deleted", "deadlines deleted", "another's"),
    ],
)
def test_flushed_or_spoilt_it_is_rebuilt(server, tmp_path, spoil):
    """From the rows and the store's outputs, without a word to the trainer."""
    store, clock = tmp_path / "s.sqlite3", ManualClock()

    async def run():
        async with JourneyTimeoutManager(store_path=store, now=clock, redis_url=server.url) as manager:
            await load(manager, clock, 5)
            await until_mirrored(server, store)
            await asyncio.to_thread(spoil, server.client())
            await load(manager, clock, 5, begin=5)
            await until_mirrored(server, store)

    asyncio.run(run())
    assert clock.at > BEGIN


def test_no_redis_at_the_start_is_no_reason_not_to_start(tmp_path):
    """Nothing listens there: the manager works, and its figures show that Redis lags."""
    store, clock = tmp_path / "s.sqlite3", ManualClock()

    async def run():
        async with JourneyTimeoutManager(store_path=store, now=clock, redis_url="redis://127.0.0.1:1/0") as manager:
            await load(manager, clock, 3)
            deadline = monotonic() + WAIT_SECONDS
            while (await manager.metrics()).redis_breaker != "opened":
                assert monotonic() < deadline
                await asyncio.sleep(0.05)
            return await manager.metrics()

    figures = asyncio.run(run())
    assert figures.is_healthy
    assert figures.abandonments == 15
