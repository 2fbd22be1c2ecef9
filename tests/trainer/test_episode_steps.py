"""Steps of a log's episodes: rewards equal a feed's as of any instant, and nothing later is known."""

from collections import Counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as some

from journeys.schemas.instants import DAY_MS
from journeys.schemas.records import ClockCorrected, Punctuation, Touchpoint
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from tests.fixtures.examples import examples
from tests.properties.draft import BASE
from tests.properties.logs import logs
from training_orchestrator import CorrectionRule, RewardLedger, RewardRule
from training_orchestrator.api.local_time import datetime_of, instant_of
from training_orchestrator.rewards.episode_steps import Rewards, StepRecorder

from .fed import fed, micros, partition

RULES = some.sampled_from(["last_touch", "linear", "time_decay", "position"])
CORRECTIONS = some.sampled_from([CorrectionRule(), CorrectionRule("conversion", share=0.3), CorrectionRule("never")])
# Logs span some weeks, most of them.
INSTANTS = some.one_of(some.none(), some.integers(BASE - DAY_MS, BASE + 60 * DAY_MS))


def recorded(entries, as_of=None, rule="last_touch", corrections=None, rewards=None):
    """Episodes of a log, and the recorder that gave them."""
    asked = Rewards(rewards or RewardRule(), corrections or CorrectionRule(), rule, 7.0)
    recorder = StepRecorder(partition(), asked, as_of)
    episodes = []
    for entry in entries:
        episodes += recorder.take(entry)
    return [*episodes, *recorder.rest()], recorder


def of_nobody(items, episodes):
    """Items of abandonments without any touchpoint, or of episodes that are named; and what corrects them."""
    found = {
        item.abandonment_id
        for item in items
        if item.kind == "abandonment"
        and (item.penalty.touchpoint_count == 0 or f"{item.journey_id} {instant_of(item.started_at)}" in episodes)
    }
    return [item for item in items if item.kind != "conversion" and item.abandonment_id in found]


@settings(max_examples=examples(300), deadline=None)
@given(
    entries=logs(),
    as_of=INSTANTS,
    rule=RULES,
    corrections=CORRECTIONS,
    rewards=some.sampled_from([RewardRule(), RewardRule(scale=0.37, clip=1.5, price="penalty")]),
)
def test_steps_earn_what_a_feed_as_of_the_same_instant_gives(entries, as_of, rule, corrections, rewards):
    """Exactly, corrections included; only episodes without an action are uncredited."""
    episodes, recorder = recorded(entries, as_of, rule, corrections, rewards)
    items = [item for _, found in fed(entries, as_of, rewards, corrections) for item in found]
    is_net = rewards.price == "net"
    shared = [item for item in items if is_net or item.kind != "conversion"]
    assert recorder.credited_micros + recorder.uncredited_micros == micros(shared)
    steps = [step for episode in episodes for step in episode.steps]
    assert sum(step.late_micros + step.conversion_micros * is_net for step in steps) == recorder.credited_micros
    assert len({(episode.journey_id, episode.end.started_at) for episode in episodes}) == len(episodes)
    ended = [episode for episode in episodes if episode.outcome in ("abandoned", "corrected")]
    late_micros = sum(step.late_micros for episode in ended for step in episode.steps)
    assert late_micros == sum(step.late_micros for step in steps)
    if rule != "last_touch" and as_of is None:  # a touchpoint that lies ahead of an instant is not known there
        nobodys = {f"{episode.journey_id} {episode.end.started_at}" for episode in ended if not episode.steps}
        acted = {(each.journey_id, each.end.started_at) for each in episodes if each.steps}
        sold = [item for item in shared if item.kind == "conversion"]
        unsold = [item for item in sold if (item.journey_id, instant_of(item.started_at)) not in acted]
        assert recorder.uncredited_micros == micros(of_nobody(items, nobodys)) + micros(unsold)


@settings(max_examples=examples(300), deadline=None)
@given(entries=logs(), as_of=some.integers(BASE, BASE + 60 * DAY_MS), rule=RULES)
def test_what_came_later_changes_nothing(entries, as_of, rule):
    """A log that ends at the instant gives the same as a longer one, unless its clock was set back behind it."""
    assume(not any(isinstance(entry.record, ClockCorrected) for entry in entries))
    log = partition()
    processor = Processor(log)
    known = []
    for entry in entries:
        processor.process([entry])
        if (log.clock or 0) > as_of:
            break
        known.append(entry)

    def found(log):
        return sorted(recorded(log, as_of, rule)[0], key=lambda episode: (episode.journey_id, episode.end.started_at))

    assert found(entries) == found(known)


@settings(max_examples=examples(200), deadline=None)
@given(entries=logs(), cut=some.integers(0, 40))
def test_an_observation_is_of_what_was_before(entries, cut):
    """The state before a step does not depend on later records."""

    def before(found):
        return {(step.touchpoint, step.before) for episode in found for step in episode.steps}

    assert before(recorded(entries[:cut])[0]) <= before(recorded(entries)[0])


@settings(max_examples=examples(200), deadline=None)
@given(entries=logs(in_time=True))
def test_a_ledger_that_follows_live_comes_to_the_same(entries):
    """Two ways to one sum by action: steps as they are taken, or a replay of the log."""
    ledger = RewardLedger(booked="sales")
    acted, told = set(), Counter()
    for record, items in fed(entries, rewards=RewardRule(price="penalty")):
        if isinstance(record, Touchpoint) and record.action_id is not None:
            acted.add(record.action_id)
            ledger.act(record.journey_id, record.action_id, datetime_of(record.occurred_at))
        for late in [late for item in items for late in ledger.take(item)]:
            told[late.action_id] += late.reward_micros
    episodes, _ = recorded(entries, rewards=RewardRule(price="penalty"))
    found = Counter()
    for step in (step for episode in episodes for step in episode.steps):
        found[step.touchpoint.action_id] += step.late_micros
    assert {name: value for name, value in found.items() if value} == {
        name: value for name, value in told.items() if value
    }


@pytest.mark.parametrize(("corrections", "days"), [(CorrectionRule(), 37), (CorrectionRule("never"), 6)])
def test_what_is_held_does_not_grow_with_the_log(corrections, days):
    """A journey a day, each abandoned after three: held are those of the days in which it may still be corrected."""
    entries = []
    for day in range(200):
        at = BASE + day * DAY_MS
        name = f"journey-{day}"
        entries += [
            Entry(2 * day, None, None, Punctuation(at, "simulated")),
            Entry(2 * day + 1, name.encode(), None, Touchpoint(name, None, "1", at, action_id=f"a-{day}")),
        ]
    whole = Rewards(RewardRule(), corrections, "last_touch", 7.0)
    recorder = StepRecorder(Partition(), whole, None)
    done = sum(1 for entry in entries for _ in recorder.take(entry))
    left = len(list(recorder.rest()))
    assert done + left == 200
    assert left <= days
