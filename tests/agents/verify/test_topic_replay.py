"""A replay of the input topic decides as the pure core does, from the log alone."""

import asyncio
from decimal import Decimal

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from journeys.agents.demo.load_generator import generate
from journeys.agents.kafka.connection import admin
from journeys.agents.kafka.log_reader import RecordsDeletedError
from journeys.agents.verify.topic_replay import TopicReplay
from journeys.schemas.lines import parse_line
from journeys.schemas.records import PolicyChanged, Punctuation
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from journeys.streams.rule.policy import Deadlines, Policy
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.topic_contents import DAY, HOUR, START_AT, Raw, home, produce, punctuation, touch, write

pytestmark = pytest.mark.broker
QUICK = Policy(version="quick", deadlines=Deadlines(inactivity_hours=Decimal(1)))


def replayed(settings, **more) -> tuple[TopicReplay, list, list]:
    """Replay the topic; gives the replay, its abandonments and its lifecycle records in their order."""

    async def collect() -> tuple:
        replay = TopicReplay(settings, **more)
        abandonments, lifecycle = [], []
        async for effects in replay.effects():
            abandonments += effects.abandonments
            lifecycle += effects.lifecycle
        return replay, abandonments, lifecycle

    return asyncio.run(collect())


def test_the_replay_equals_the_pure_core_partition_by_partition(broker):
    """Outputs in order of partition, then of firing, with provenance; every record counted once."""
    settings = emptied(broker)
    records = [punctuation(-300 * DAY), *(parse_line(line) for line in generate(400, seed=3))]
    records.append(Punctuation(records[-1].occurred_at + 91 * DAY, "simulated"))
    asyncio.run(produce(settings, records))

    expected = []
    for number in range(4):
        mine = [r for r in records if isinstance(r, Punctuation) or home(r.journey_id) == number]
        processor = Processor(Partition(number, 4))
        for offset, record in enumerate(mine):
            key = None if isinstance(record, Punctuation) else record.journey_id.encode()
            expected.append(processor.process([Entry(offset, key, START_AT, record)]))
    replay, abandonments, lifecycle = replayed(settings)
    assert abandonments == [a for effects in expected for a in effects.abandonments]
    assert lifecycle == [said for effects in expected for said in effects.lifecycle]
    assert len(abandonments) > 400
    assert {a.source_partition for a in abandonments} == {0, 1, 2, 3}
    assert replay.records_read == replay.offsets_total == replay.counts.read == len(records) - 2 + 4 * 2
    assert replay.clocks == dict.fromkeys(range(4), records[-1].at)
    assert replay.time_sources == dict.fromkeys(range(4), "simulated")


def test_until_ends_each_partition_by_itself(broker):
    """The first record behind it ends its partition, not the others."""
    settings = emptied(broker)
    early, late = touch("a", 1, 0), touch("a", 2, 9 * HOUR)
    others = [touch("bob", 1, HOUR), touch("bob", 2, 2 * HOUR)]
    asyncio.run(produce(settings, [early, late, touch("a", 3, 1), *others]))
    replay, _, lifecycle = replayed(settings, until=START_AT + 3 * HOUR)
    assert [(said.kind, said.journey_id) for said in lifecycle] == [("started", "a"), ("started", "bob")]
    assert replay.counts.applied == replay.records_read == 3


def test_policies_are_those_of_the_log_or_the_one_that_is_given(broker):
    """An hour of silence ends journeys that begin behind the policy; under a given one, all of them."""
    settings = emptied(broker)
    changed = PolicyChanged("quick", QUICK.to_json(), START_AT)
    records = [touch("a", 1, 0), changed, touch("bob", 1, 0), punctuation(2 * HOUR)]
    asyncio.run(produce(settings, records))
    _, of_log, _ = replayed(settings)
    _, of_given, _ = replayed(settings, policy=QUICK)
    assert [(a.journey_id, a.policy_version) for a in of_log] == [("bob", "quick")]
    assert [(a.journey_id, a.policy_version) for a in of_given] == [("a", "quick"), ("bob", "quick")]


def test_what_is_no_record_becomes_a_dead_letter_and_the_counts_add_up(broker):
    """Garbage, a null value, a key that is not the journey's, among good records."""
    settings = emptied(broker)
    asyncio.run(produce(settings, [touch("a", 1, 0)]))
    number = home("a")
    asyncio.run(
        write(
            settings,
            [
                Raw(JOURNEY_EVENTS, number, b"a", b"garbage"),
                Raw(JOURNEY_EVENTS, number, b"a", None),
                Raw(JOURNEY_EVENTS, number, None, b"\x00\x00\x00\x00\x07more garbage"),
            ],
        )
    )
    asyncio.run(produce(settings, [touch("a", 2, 1), touch("a", 2, 1)]))

    async def letters() -> tuple:
        replay = TopicReplay(settings)
        return replay, [letter async for effects in replay.effects() for letter in effects.dead_letters]

    replay, found = asyncio.run(letters())
    assert [(letter.partition, letter.offset, letter.record_value) for letter in found] == [
        (number, 1, b"garbage"),
        (number, 2, None),
        (number, 3, b"\x00\x00\x00\x00\x07more garbage"),
    ]
    counts = replay.counts
    assert (counts.applied, counts.duplicate, counts.dead, counts.read) == (2, 1, 3, replay.records_read)


def test_given_end_offsets_end_the_reading(broker):
    """As of an earlier moment; partitions that are left out are read whole."""
    settings = emptied(broker)
    asyncio.run(produce(settings, [touch("a", 1, 0), touch("a", 2, 1), touch("bob", 1, 0)]))
    replay, _, _ = replayed(settings, end_offsets={home("a"): 1})
    assert replay.records_read == 2
    assert replay.end_offsets[home("a")] == 1


def test_a_log_without_its_head_is_not_replayed(broker):
    """Half a log would give other decisions, and nobody would know."""
    settings = emptied(broker)
    asyncio.run(produce(settings, [touch("a", 1, 0), touch("a", 2, 1)]))

    async def cut() -> None:
        async with admin(settings) as client:
            await client.delete_records({TopicPartition(JOURNEY_EVENTS, home("a")): RecordsToDelete(1)})

    asyncio.run(cut())
    with pytest.raises(RecordsDeletedError, match="begins at offset 1"):
        replayed(settings)
