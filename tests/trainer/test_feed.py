"""The feed: each abandonment once, corrections behind it, only what was known then, and on from a checkpoint."""

import asyncio
import json
import subprocess
import sys
from datetime import timedelta

import pytest

from schemas.lines import output_line
from schemas.records import JourneyAbandoned
from training_orchestrator import (
    AbandonmentFeed,
    AbandonmentItem,
    ConfigurationError,
    CorrectionItem,
    CorrectionRule,
    JourneyTimeoutManager,
    NotStartedError,
    RewardRule,
    StoreUnavailableError,
)
from training_orchestrator.feed_checkpoint import BadCheckpointError
from training_orchestrator.feed_files import ReplayFileSource
from training_orchestrator.local_time import datetime_of

from .store_of_journeys import BEGIN, DAY, fill
from .stored import outputs

COUNT = 100


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Give a store of 100 journeys: 100 abandonments, 20 returns, 10 of them buy."""
    path = tmp_path_factory.mktemp("store") / "journeys.sqlite3"
    asyncio.run(fill(path, COUNT))
    return path


def all_of(store, **more):
    """Every item that there is now."""
    with AbandonmentFeed.from_store(store, follow=False, **more) as feed:
        return list(feed)


def split(items):
    """Abandonments and corrections."""
    return (
        [item for item in items if isinstance(item, AbandonmentItem)],
        [item for item in items if isinstance(item, CorrectionItem)],
    )


def test_each_abandonment_comes_once_with_its_reward_and_components(store):
    """Reward is minus the total penalty, and the components give the penalty again."""
    abandoned, _ = split(all_of(store))
    assert len({item.abandonment_id for item in abandoned}) == len(abandoned) == COUNT
    for item in abandoned:
        penalty = item.total_cost * (0.15 + item.state_weight) * item.time_factor * item.reason_multiplier
        assert item.penalty.penalty_amount == pytest.approx(penalty, abs=1e-6)
        assert item.reward == -item.total_penalty_micros / 1e6
        assert item.reward == pytest.approx(-item.penalty.total)
        assert (item.terminated, item.truncated) == (False, True)  # silence is censoring, not an outcome
        assert item.action_id == f"bid-{int(item.journey_id[-5:])}"


def test_a_return_takes_back_what_its_abandonment_gave(store):
    """A correction for every fifth journey, behind its abandonment; the two add up to nothing."""
    items = all_of(store)
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
def test_what_corrects_and_by_how_much_is_the_trainers_to_say(store, rule, count, share):
    """Upon a conversion only, in part, or never."""
    abandoned, corrections = split(all_of(store, corrections=rule))
    rewards = {item.abandonment_id: item.reward for item in abandoned}
    assert len(corrections) == count
    assert all(item.reward == -rewards[item.abandonment_id] * share for item in corrections)


def test_scaling_and_clipping_are_explicit_and_a_correction_undoes_both(store):
    """A tenth of a reward per dollar, at most 0.2 below zero."""
    plain, _ = split(all_of(store))
    clipped, corrections = split(all_of(store, rewards=RewardRule(scale=0.1, clip=0.2)))
    assert [item.reward for item in clipped] == [max(item.reward * 0.1, -0.2) for item in plain]
    assert {item.reward for item in clipped} > {-0.2}
    rewards = {item.abandonment_id: item.reward for item in clipped}
    assert all(rewards[item.abandonment_id] + item.reward == 0 for item in corrections)


def test_as_of_gives_what_was_known_then(store):
    """Before the fourth day nothing, then the abandonments, behind the sixth the returns."""
    counts = []
    for day in (3, 5, 6.5):
        abandoned, corrections = split(all_of(store, as_of=datetime_of(BEGIN + int(day * DAY))))
        counts.append((len(abandoned), len(corrections)))
    assert counts == [(0, 0), (COUNT, 0), (COUNT, COUNT // 5)]


def test_maturity_is_looked_at_as_of_the_same_instant(store):
    """A return may name an abandonment for 30 days: a day before, it can still be corrected."""
    ended = BEGIN + 3 * DAY
    for days, mature in ((29, False), (31, True)):
        abandoned, _ = split(all_of(store, as_of=datetime_of(ended + days * DAY)))
        assert {item.is_mature for item in abandoned} == {mature}


def test_start_earliest_latest_or_an_instant(store):
    """From an instant on: the corrections' abandonments were before, so they are held."""
    assert all_of(store, start="latest") == []
    with AbandonmentFeed.from_store(store, follow=False, start=datetime_of(BEGIN + 5 * DAY)) as feed:
        assert list(feed) == []
        assert feed.held_corrections == COUNT // 5
    at_detection = datetime_of(BEGIN + 4 * DAY)
    assert len(all_of(store, start=at_detection)) == COUNT + COUNT // 5
    assert len(all_of(store, start=at_detection + timedelta(milliseconds=1))) == 0


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_batches_by_size_cut_the_same_items(store, size):
    """However they are cut; an async trainer gets the same."""

    async def read():
        async with AbandonmentFeed.from_store(store, follow=False) as feed:
            return [batch async for batch in feed.batches(max_records=size)]

    with AbandonmentFeed.from_store(store, follow=False) as feed:
        blocking = list(feed.batches(max_records=size))
    assert asyncio.run(read()) == blocking
    assert [item for batch in blocking for item in batch] == all_of(store)
    assert {len(batch) for batch in blocking[:-1]} <= {size}


def test_a_plain_iterator_works_inside_a_running_loop(store):
    """As in a notebook, where a loop runs and nobody can await."""

    async def notebook():
        return all_of(store)

    assert len(asyncio.run(notebook())) == COUNT + COUNT // 5


@pytest.mark.parametrize("stop", [0, 1, 99, 100, 105, 119, 120])
def test_a_feed_goes_on_from_its_checkpoint(store, stop):
    """Stopped behind any item, between an abandonment and its correction, too: together they are all, each once."""
    with AbandonmentFeed.from_store(store, follow=False) as feed:
        first = feed.take_blocking(stop, 5) if stop else []
        checkpoint = feed.checkpoint()
    assert len(first) == stop
    assert first + all_of(store, start=checkpoint) == all_of(store)


@pytest.mark.parametrize("stop", [1, 2, 50, 110])
def test_a_correction_that_is_published_first_waits_for_its_abandonment(store, tmp_path, stop):
    """Two topics are read side by side. The checkpoint keeps it, be its abandonment given or not."""
    source = LifecycleFirst(*replay_files(store, tmp_path))
    with AbandonmentFeed(source, follow=False) as feed:
        first = feed.take_blocking(stop, 5)
        checkpoint = feed.checkpoint()
        assert feed.held_corrections > 0
        rest = list(feed)
    with AbandonmentFeed(source, follow=False, start=checkpoint) as feed:
        assert list(feed) == rest
        assert feed.held_corrections == 0
    assert sorted(map(repr, first + rest)) == sorted(map(repr, all_of(store)))


def test_what_is_published_twice_is_given_once(store, tmp_path):
    """A worker that crashed publishes a flush again; so it is behind a checkpoint, too."""
    paths = replay_files(store, tmp_path)
    for path in paths:
        path.write_text(path.read_text() * 3)
    with AbandonmentFeed.from_files(*paths) as feed:
        first = feed.take_blocking(COUNT // 2, 5)
        checkpoint = feed.checkpoint()
    with AbandonmentFeed.from_files(*paths, start=checkpoint) as feed:
        assert first + list(feed) == [item for part in split(all_of(store)) for item in part]


class LifecycleFirst(ReplayFileSource):
    """Gives the lifecycle file before the abandonments."""

    def __init__(self, *paths):
        super().__init__(*paths)
        self._files.reverse()


def replay_files(store, folder):
    """Write a store's outputs as `journeys replay` does."""
    paths = folder / "abandonments.jsonl", folder / "lifecycle.jsonl"
    with paths[0].open("w") as abandonments, paths[1].open("w") as lifecycle:
        for record in outputs(store):
            print(
                json.dumps(output_line(record)),
                file=abandonments if isinstance(record, JourneyAbandoned) else lifecycle,
            )
    return paths


def test_a_replays_files_give_the_same(store, tmp_path):
    """Abandonments first, then their corrections; nothing else differs."""
    with AbandonmentFeed.from_files(*replay_files(store, tmp_path)) as feed:
        assert list(feed) == [item for part in split(all_of(store)) for item in part]


def test_files_of_the_command_line_are_read(tmp_path):
    """What `journeys replay` writes, as it stands."""
    lines = [
        {"journey_id": "a", "touchpoint_id": "1", "occurred_at": BEGIN, "cost": 25, "state": "AWARE"},
        {"journey_id": "a", "touchpoint_id": "2", "occurred_at": BEGIN + 20 * DAY, "cost": 1, "state": "INTENT"},
    ]
    (tmp_path / "touchpoints.jsonl").write_text("\n".join(map(json.dumps, lines)))
    command = ["replay", "touchpoints.jsonl", "--output", "abandonments.jsonl", "--lifecycle", "lifecycle.jsonl"]
    subprocess.run([sys.executable, "-m", "agents.cli", *command], cwd=tmp_path, check=True, capture_output=True)
    with AbandonmentFeed.from_files(tmp_path / "abandonments.jsonl", tmp_path / "lifecycle.jsonl") as feed:
        assert [(item.kind, item.journey_id) for item in feed] == [
            ("abandonment", "a"),
            ("abandonment", "a"),
            ("correction", "a"),
        ]


def test_a_file_that_is_wrong_is_told_with_its_line(tmp_path):
    """Neither passed over nor half read."""
    path = tmp_path / "abandonments.jsonl"
    path.write_text('{"journey_id": "a"}\n')
    with AbandonmentFeed.from_files(path) as feed, pytest.raises(StoreUnavailableError, match="line 1"):
        list(feed)
    with AbandonmentFeed.from_files(tmp_path / "none") as feed, pytest.raises(StoreUnavailableError, match="No such"):
        list(feed)


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


@pytest.mark.parametrize("spoil", [lambda stored: stored[:-3], lambda _: b"", lambda stored: b"x" + stored[1:]])
def test_a_spoilt_checkpoint_is_refused(store, spoil):
    """Cut off or changed: a feed that began elsewhere would count twice."""
    with AbandonmentFeed.from_store(store, follow=False) as feed:
        feed.take_blocking(3, 5)
        checkpoint = feed.checkpoint()
    with pytest.raises(BadCheckpointError, match="no whole checkpoint"):
        AbandonmentFeed.from_store(store, start=spoil(checkpoint)).__enter__()


def test_a_checkpoint_of_another_question_is_refused(store, tmp_path):
    """Another source, or another as_of."""
    with AbandonmentFeed.from_store(store, follow=False) as feed:
        checkpoint = feed.checkpoint()
    with pytest.raises(BadCheckpointError, match="another as_of"):
        AbandonmentFeed.from_store(store, start=checkpoint, as_of=datetime_of(BEGIN)).__enter__()
    with pytest.raises(BadCheckpointError, match="from store"):
        AbandonmentFeed.from_files(*replay_files(store, tmp_path), start=checkpoint).__enter__()


def test_what_means_nothing_is_refused(store):
    """Field, value, and what would be right."""
    for wrong in (
        lambda: RewardRule(scale=-1),
        lambda: RewardRule(clip=0),
        lambda: CorrectionRule("sometimes"),
        lambda: CorrectionRule(share=0),
        lambda: AbandonmentFeed.from_store(store, start="yesterday"),
        lambda: AbandonmentFeed.from_store(store).batches(max_records=0),
    ):
        with pytest.raises(ConfigurationError, match=r"^\w+: "):
            wrong()
    with pytest.raises(NotStartedError):
        AbandonmentFeed.from_store(store).checkpoint()
