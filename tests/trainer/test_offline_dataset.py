"""The offline dataset, read back: RLlib's columns, a feed's rewards, and only what was known then."""

import asyncio

import pyarrow.parquet as pq
import pytest

from journeys.agents.kafka.record_producer import RecordProducer
from journeys.schemas.codec import Codec
from journeys.schemas.partitioner import partition_of
from journeys.schemas.records import Punctuation, Touchpoint
from tests.fixtures.fresh_kafka import emptied
from training_orchestrator import (
    AbandonmentFeed,
    ConfigurationError,
    JourneyTimeoutManager,
    StoreUnavailableError,
    TimeoutConfiguration,
    TrainerTouchpoint,
    export_dataset,
)
from training_orchestrator.api.local_time import datetime_of

from .store_of_journeys import BEGIN, DAY, ManualClock, fill

COUNT = 40
# What RLlib's reader knows (SCHEMA of its offline_prelearner); `make check-rllib` has it train.
RLLIB_COLUMNS = ("eps_id", "t", "obs", "actions", "rewards", "new_obs", "terminateds", "truncateds")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Give a store of journeys with three actions each: they stop, return, buy, lose to a competitor, or are open."""
    path = tmp_path_factory.mktemp("store") / "journeys.sqlite3"
    asyncio.run(_fill(path))
    return path


async def _fill(path):
    clock = ManualClock()
    async with JourneyTimeoutManager(TimeoutConfiguration(grace_seconds=0), store_path=path, now=clock) as manager:
        for step in range(3):
            await manager.record_touchpoints(
                [
                    TrainerTouchpoint(
                        f"journey-{number}",
                        "CONVERTED" if step == 2 and number % 4 == 0 else ("AWARE", "CONSIDERING", "INTENT")[step],
                        cost=1 + step,
                        touchpoint_id=f"{number}-{step}",
                        action_id=f"bid-{number}-{step}",
                        policy_version="bidder-7",
                        propensity=0.25 * (step + 1),
                        conversion_value=40,
                    )
                    for number in range(COUNT)
                ]
            )
            clock.at += DAY
        await manager.mark_abandoned("journey-1", "COMPETITOR_CONVERSION")
        clock.at += 4 * DAY
        await manager.check_timeouts()
        await manager.record_touchpoints(
            [TrainerTouchpoint(f"journey-{number}", "AWARE", action_id=f"again-{number}") for number in (2, 3)]
        )


def exported(store, tmp_path, **more):
    """Rows and the summary."""
    said = export_dataset(tmp_path / "steps.parquet", store_path=store, **more)
    rows = pq.read_table(said.path).to_pylist()
    assert said.rows == len(rows)
    assert said.episodes == len({row["eps_id"] for row in rows})
    return rows, said


def test_an_episode_is_its_steps_with_what_was_seen_before_each(store, tmp_path):
    """In RLlib's columns: what follows one step is what was seen before the next, and the last one ends it."""
    rows, _ = exported(store, tmp_path)
    assert set(RLLIB_COLUMNS) <= set(rows[0])
    first = [row for row in rows if row["journey_id"] == "journey-5"]
    assert [row["t"] for row in first] == [0, 1, 2]
    assert [row["obs"] for row in first] == [
        [1, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 1, 1, 1, 1],
        [0, 0, 1, 0, 0, 2, 3, 2, 1],
    ]
    assert [row["new_obs"] for row in first] == [*[row["obs"] for row in first][1:], [0, 0, 0, 1, 0, 3, 6, 5, 3]]
    assert [row["actions"] for row in first] == [[1], [2], [3]]
    assert [row["action_prob"] for row in first] == [0.25, 0.5, 0.75]
    assert {row["policy_version"] for row in first} == {"bidder-7"}
    assert [row["action_id"] for row in first] == ["bid-5-0", "bid-5-1", "bid-5-2"]
    assert [row["occurred_at"] for row in first] == [BEGIN + step * DAY for step in range(3)]


def test_an_episode_ends_once_and_says_how(store, tmp_path):
    """A sale or a competitor's sale terminates; silence, a return and the end of reading truncate."""
    rows, _ = exported(store, tmp_path)
    ends = {}
    for row, after in zip(rows, [*rows[1:], {"eps_id": None}], strict=True):
        is_last = row["eps_id"] != after["eps_id"]
        assert (row["terminateds"] or row["truncateds"]) == is_last
        if is_last:
            ends[row["journey_id"], row["outcome"]] = row["terminateds"], row["truncateds"], row["conversion_rewards"]
    assert ends["journey-0", "converted"] == (True, False, 34)  # sold for 40, bought for 6
    assert ends["journey-1", "abandoned"] == (True, False, 0)
    assert ends["journey-2", "corrected"] == (False, True, 0)
    assert ends["journey-2", "open"] == (False, True, 0)
    assert ends["journey-5", "abandoned"] == (False, True, 0)
    assert len(ends) == COUNT + 2


@pytest.mark.parametrize("rule", ["last_touch", "linear", "time_decay"])
@pytest.mark.parametrize("days", [None, 2.5, 4, 7.5])
def test_rewards_are_those_of_a_feed_as_of_the_same_instant(store, tmp_path, rule, days):
    """And as of an instant nothing of what came later is there."""
    as_of = None if days is None else datetime_of(BEGIN + int(days * DAY))
    rows, said = exported(store, tmp_path, rule=rule, as_of=as_of)
    with AbandonmentFeed.from_store(store, follow=False, as_of=as_of) as feed:
        given = sum(item.reward_micros for item in feed)
    assert round(sum(row["rewards"] for row in rows) * 1e6) == given
    assert (round(said.credited * 1e6), said.uncredited) == (given, 0)
    assert all(row["rewards"] == pytest.approx(row["late_rewards"] + row["conversion_rewards"]) for row in rows)
    assert all(as_of is None or datetime_of(row["occurred_at"]) <= as_of for row in rows)
    if days == 2.5:
        assert {row["outcome"] for row in rows} == {"open", "converted"}


def test_observation_and_action_are_the_trainers_to_say(store, tmp_path):
    """A whole number makes a discrete action."""
    more = {"observation": lambda view: [view.total_cost], "action": lambda touchpoint: touchpoint.cost_micros // 10**6}
    rows, _ = exported(store, tmp_path, **more)
    assert {(*row["obs"], row["actions"]) for row in rows if row["outcome"] == "abandoned"} == {
        *((0, 1), (1, 2), (3, 3)),
    }


def test_a_dataset_is_there_as_a_whole_or_not_at_all(store, tmp_path):
    """Observations of two widths, values that are no numbers, a store that is not there."""
    path = tmp_path / "steps.parquet"
    with pytest.raises(ConfigurationError, match="observation: 1 numbers for"):
        export_dataset(path, store_path=store, observation=lambda view: [0.0] * (1 + (view.touchpoint_count == 0)))
    with pytest.raises(ConfigurationError, match="observation or action"):
        export_dataset(path, store_path=store, action=lambda _: ["much"])
    with pytest.raises(ConfigurationError, match="rule: 'first'"):
        export_dataset(path, store_path=store, rule="first")
    with pytest.raises(ConfigurationError, match="give one of them"):
        export_dataset(path, store_path=store, bootstrap_servers="localhost:1")
    with pytest.raises(StoreUnavailableError, match="there is no such store"):
        export_dataset(path, store_path=tmp_path / "none.sqlite3")
    assert list(tmp_path.iterdir()) == []


def test_journeys_without_actions_give_columns_without_rows(tmp_path):
    """A touchpoint without an action is no step; its penalty is uncredited."""
    store = tmp_path / "journeys.sqlite3"

    async def run():
        clock = ManualClock()
        async with JourneyTimeoutManager(store_path=store, now=clock) as manager:
            await manager.record_touchpoint("journey", cost=5)
            clock.at += 5 * DAY
            await manager.check_timeouts()

    asyncio.run(run())
    rows, said = exported(store, tmp_path)
    assert rows == []
    assert (said.rows, said.credited) == (0, 0)
    assert said.uncredited < 0
    assert set(RLLIB_COLUMNS) <= set(pq.read_schema(said.path).names)


@pytest.mark.broker
@pytest.mark.slow
def test_a_topic_gives_what_a_store_gives(broker, tmp_path):
    """The same journeys over four partitions, in simulated time; no worker is needed, as the log decides."""
    settings = emptied(broker)
    store = tmp_path / "journeys.sqlite3"
    asyncio.run(fill(store, COUNT))

    async def send():
        async with RecordProducer(settings, Codec()) as producer:
            for at, names in ((BEGIN, range(COUNT)), (BEGIN + 6 * DAY, range(0, COUNT, 5))):
                for number in range(4):
                    await producer.send_to_partition(Punctuation(at, "simulated"), number)
                await producer.flush()
                for number in names:
                    state = "CONVERTED" if at > BEGIN and number % 10 == 0 else ("AWARE", "INTENT")[at > BEGIN]
                    await producer.send(touchpoint(number, at, state))
                await producer.flush()
            for number in range(4):
                await producer.send_to_partition(Punctuation(BEGIN + 7 * DAY, "simulated"), number)
            await producer.flush()

    def touchpoint(number, at, state):
        is_first = at == BEGIN
        return Touchpoint(
            f"journey-{number:05d}",
            None,
            f"{number}-{at}",
            at,
            state=state,
            cost_micros=(1 + number % 50) * 1_000_000 if is_first else 0,
            action_id=f"bid-{number}" if is_first else None,
        )

    asyncio.run(send())
    said = export_dataset(tmp_path / "topic.parquet", bootstrap_servers=settings.bootstrap_servers)
    found = pq.read_table(said.path).to_pylist()
    expected, _ = exported(store, tmp_path)
    assert len({partition_of(f"journey-{number:05d}".encode(), 4) for number in range(COUNT)}) == 4

    def comparable(rows):
        return sorted(
            (row["eps_id"], row["late_rewards"], row["outcome"], row["truncateds"], row["costs"]) for row in rows
        )

    assert comparable(found) == comparable(expected)
    assert len(found) == COUNT
