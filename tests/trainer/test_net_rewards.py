"""Net rewards: their sum is value minus spend of what has ended, to the micro, however they are read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from journeys.schemas.records import JourneyAbandoned, Touchpoint
from journeys.streams.partition.processor import Processor
from tests.fixtures.examples import examples
from tests.properties.draft import BASE
from tests.properties.logs import logs
from training_orchestrator import AbandonmentFeed, BadCheckpointError, RewardLedger, RewardRule
from training_orchestrator.api.local_time import datetime_of, instant_of
from training_orchestrator.feed.feed_checkpoint import FeedCheckpoint
from training_orchestrator.feed.feed_progress import CorrectionRule, FeedProgress
from training_orchestrator.sources.published_outputs import PublishedRecord

from .fed import partition
from .feed_of_store import all_of, replay_files

DAY_MS = 86_400_000
NET = RewardRule()


class Books:
    """Spend and sales of a log, from its touchpoints and from what the rule says of each; it knows no rewards."""

    def __init__(self, entries):
        self.ended = []
        """Of each ended episode: journey, begin, detected_at, value minus spend in micros."""
        self.outputs = []
        processor, spend, value = Processor(partition()), {}, {}
        for entry in entries:
            effects = processor.process([entry])
            found = [*effects.abandonments, *effects.lifecycle]
            self.outputs += [(entry.offset, output) for output in found]
            record = entry.record
            for output in found:
                if isinstance(output, JourneyAbandoned):
                    self._end(output)
            if isinstance(record, Touchpoint) and effects.counts.applied:
                row = effects.changed[record.journey_id]
                key = record.journey_id, row.started_at if row.open else row.previous_started_at
                spend[key] = spend.get(key, 0) + record.cost_micros
            for output in found:
                if isinstance(output, JourneyAbandoned):
                    continue
                if output.kind == "converted":
                    value[output.journey_id, output.started_at] = output.conversion_value_micros or 0
                    self._end(output)
        # An episode that ends by a touchpoint of its own is booked before that one's cost: look again.
        self.ended = [(key, at, value.get(key, 0) - spend.get(key, 0)) for key, at in self.ended]

    def _end(self, output):
        self.ended.append(((output.journey_id, output.started_at), output.detected_at))

    def booked(self, as_of=None):
        """Value minus spend of the episodes whose end was known at an instant."""
        return sum(net for _, at, net in self.ended if as_of is None or at <= as_of)


def items_of(outputs, restarts=(), as_of=None, rewards=NET):
    """Items of a feed that is restarted from its checkpoint, and is given each output twice."""
    checkpoint = FeedCheckpoint("log", as_of)
    progress = FeedProgress(checkpoint, rewards, CorrectionRule(), 0, gives_conversions=True)
    for number, (offset, output) in enumerate([*outputs, *outputs]):
        if number in restarts:
            checkpoint = FeedCheckpoint.from_bytes(checkpoint.to_bytes())
            progress = FeedProgress(checkpoint, rewards, CorrectionRule(), 0, gives_conversions=True)
        item = progress.take(PublishedRecord(("log", 0), offset, output))
        while item is not None:
            yield item
            item = progress.due()


@settings(max_examples=examples(1500), deadline=None)
@given(
    entries=logs(),
    restarts=some.sets(some.integers(0, 60)),
    as_of=some.one_of(some.none(), some.integers(BASE - DAY_MS, BASE + 60 * DAY_MS)),
)
def test_rewards_sum_to_value_minus_spend(entries, restarts, as_of):
    """Of the ended episodes of each log, at any instant, over restarts and repeats; each episode once."""
    books = Books(entries)
    items = list(items_of(books.outputs, restarts, as_of))
    assert sum(item.reward_micros for item in items) == books.booked(as_of)
    ends = [item for item in items if item.kind != "correction"]
    assert {(item.journey_id, instant_of(item.started_at)): item.reward_micros for item in ends} == {
        key: net for key, at, net in books.ended if as_of is None or at <= as_of
    }
    assert all(item.reward_micros == 0 for item in items if item.kind == "correction")


@settings(max_examples=examples(200), deadline=None)
@given(entries=logs(), rule=some.sampled_from(["last_touch", "linear", "time_decay", "position"]))
def test_what_is_booked_is_not_given_twice(entries, rule):
    """A ledger gives what its trainer has not booked: value, spend, both or nothing of it."""
    books = Books(entries)
    items = list(items_of(books.outputs))
    sales = sum(item.value_micros for item in items if item.kind == "conversion")
    spend = sum(item.spend_micros for item in items if item.kind != "correction")
    for booked, expected in {"none": sales - spend, "spend": sales, "sales": -spend, "both": 0}.items():
        ledger = RewardLedger(rule, booked=booked)
        for entry in entries:
            if isinstance(entry.record, Touchpoint) and entry.record.action_id is not None:
                record = entry.record
                ledger.act(record.journey_id, record.action_id, datetime_of(record.occurred_at))
        for item in items:
            ledger.take(item)
        assert ledger.credited_micros + ledger.uncredited_micros == expected


def test_sources_agree_and_the_net_return_of_a_sale_is_in_the_feed(full_store, tmp_path):
    """A store and the files of a replay give the same items; a correction takes no money back that was spent."""
    items = all_of(full_store, rewards=NET)
    assert {item.kind for item in items} == {"abandonment", "correction", "conversion"}
    net = sum(item.value_micros if item.kind == "conversion" else 0 for item in items)
    net -= sum(item.spend_micros for item in items if item.kind != "correction")
    assert sum(item.reward_micros for item in items) == net
    with AbandonmentFeed.from_files(*replay_files(full_store, tmp_path)) as feed:
        assert sum(item.reward_micros for item in feed) == net


def test_a_checkpoint_keeps_its_price(full_store):
    """A penalty that was given can't be taken back by a feed that never takes one back."""
    with AbandonmentFeed.from_store(full_store, follow=False) as feed:
        feed.take_blocking(3, 5)
        checkpoint = feed.checkpoint()
    rewards = RewardRule(price="penalty")
    with pytest.raises(BadCheckpointError, match="price='net', not 'penalty'"):
        AbandonmentFeed.from_store(full_store, start=checkpoint, rewards=rewards).__enter__()


def test_a_whole_number_is_an_action(full_store):
    """Records hold text; a trainer's numbers, those of numpy included, are that text."""
    numpy = pytest.importorskip("numpy")
    item = next(item for item in all_of(full_store, rewards=NET) if item.kind == "abandonment")
    for action in (7, numpy.int64(7)):
        ledger = RewardLedger("linear")
        step = ledger.act(item.journey_id, action, item.started_at)
        ledger.take(item)
        assert (step.action_id, step.reward_micros) == ("7", item.reward_micros)
