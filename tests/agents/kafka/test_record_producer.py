"""Records into the input topic: the right partition, in order, acknowledged, or an error."""

import asyncio
from contextlib import aclosing

import pytest

from journeys.agents.kafka.log_reader import tail
from journeys.agents.kafka.record_producer import RecordProducer, RecordsNotSentError
from journeys.agents.kafka.topic_setup import UnknownTopicError
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import JourneyCommand, PolicyChanged
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.rule.policy import DEFAULT_POLICY
from tests.fixtures.fresh_kafka import bare, create_by_hand, emptied
from tests.fixtures.topic_contents import HOUR, START_AT, home, punctuation, read, read_inputs, touch

pytestmark = pytest.mark.broker
BEGINNINGS = [(JOURNEY_EVENTS, partition) for partition in range(4)]


def test_records_go_to_the_partition_of_their_journey_in_order(broker):
    """Key, partition and order of many journeys, and the counts."""
    settings = emptied(broker)
    records = [touch(f"journey-{number % 97}", number, number) for number in range(5_000)]

    async def send() -> tuple:
        async with RecordProducer(settings) as producer:
            for record in records:
                await producer.send(record)
            await producer.flush()
            return producer.sent, producer.acknowledged, producer.partition_count

    assert asyncio.run(send()) == (5_000, 5_000, 4)
    assert asyncio.run(read_inputs(settings)) == {
        partition: [record for record in records if home(record.journey_id) == partition] for partition in range(4)
    }
    raws = asyncio.run(read(settings))
    keys = [raw.key for raw in raws[0]]
    assert keys == [record.journey_id.encode() for record in records if home(record.journey_id) == 0]


def test_time_and_policies_go_to_explicit_partitions_without_a_key(broker):
    """In order with the journeys' records of the same partition."""
    settings = emptied(broker)
    command = JourneyCommand("journey-1", punctuation(0).at, "abandon")
    policy = PolicyChanged(DEFAULT_POLICY.version, DEFAULT_POLICY.to_json(), punctuation(0).at)

    async def send() -> None:
        async with RecordProducer(settings) as producer:
            await producer.send(command)
            await producer.send_to_all(punctuation(0))
            await producer.send_to_partition(policy, 2)

    asyncio.run(send())
    expected = {partition: [punctuation(0)] for partition in range(4)}
    expected[home("journey-1")].insert(0, command)
    expected[2].append(policy)
    assert asyncio.run(read_inputs(settings)) == expected
    assert asyncio.run(read(settings))[2][-1].key is None


def test_a_single_record_is_sent_without_a_flush(broker):
    """A slow producer needs no full batch: what was given goes out within the linger."""
    settings = emptied(broker)

    async def send_and_see() -> bytes | None:
        async with RecordProducer(settings) as producer:
            await producer.send(touch("journey-1", 1, 0))
            async with aclosing(
                tail(settings, [JOURNEY_EVENTS], catalog=None, start_offsets=dict.fromkeys(BEGINNINGS, 0))
            ) as batches:
                async for batch in batches:
                    return batch.records[0].key
        return None

    assert asyncio.run(asyncio.wait_for(send_and_see(), 30)) == b"journey-1"


def test_tasks_that_send_at_once_keep_each_its_order(broker):
    """Batches are handed over in the order in which they were filled, whoever filled them."""
    settings = emptied(broker)

    async def send_all() -> None:
        async with RecordProducer(settings) as producer:

            async def send(journey: int) -> None:
                for number in range(1_500):
                    # Large enough for many batches, and for waiting on them.
                    await producer.send(touch(f"journey-{journey}", number, number, event_type="e" * 500))
                    if number % 100 == 0:
                        await asyncio.sleep(0)

            await asyncio.gather(*(send(journey) for journey in range(6)))

    asyncio.run(send_all())
    seen = {}
    for records in asyncio.run(read_inputs(settings)).values():
        for record in records:
            seen.setdefault(record.journey_id, []).append(record.touchpoint_id)
    assert seen == {f"journey-{j}": [f"journey-{j}-{number}" for number in range(1_500)] for j in range(6)}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (PolicyChanged("large", "p" * 1_100_000, START_AT), "at most 1048576 bytes"),
        (JourneyCommand("journey-1", START_AT, "abandon", note="n" * 10_001), "note: .* at most 10000 characters"),
        (touch("journey-1", 1, 0, state="ASLEEP"), "state: 'ASLEEP' is not allowed"),
    ],
)
def test_what_would_become_a_dead_letter_is_refused_and_the_next_record_sent(broker, record, said):
    """The reader's own rules, applied by the writer."""
    settings = emptied(broker)
    large = PolicyChanged("large", "p" * 1_000_000, START_AT)  # one batch of its own

    async def send() -> int:
        async with RecordProducer(settings) as producer:
            with pytest.raises(InvalidRecordError, match=said):
                await producer.send_to_partition(record, 1)
            await producer.send_to_partition(large, 1)
        return producer.acknowledged

    assert asyncio.run(send()) == 1
    assert asyncio.run(read_inputs(settings))[1] == [large]


def test_what_the_broker_refuses_is_an_error_of_the_next_call(broker):
    """Nobody is told that records are in the log when they are not."""
    settings = bare(broker)
    asyncio.run(create_by_hand(settings, {JOURNEY_EVENTS: (4, {"max.message.bytes": "1000"})}))

    async def send() -> None:
        async with RecordProducer(settings) as producer:
            await producer.send(touch("journey-1", 1, 0))
            await producer.flush()
            for number in range(200):
                await producer.send(touch("journey-1", number, HOUR))
            with pytest.raises(RecordsNotSentError, match="journey-events: 200 of 201 records were not acknowledged"):
                await producer.flush()
            with pytest.raises(RecordsNotSentError):
                await producer.send(touch("journey-1", 1, 0))
            assert (producer.sent, producer.acknowledged) == (201, 1)

    with pytest.raises(RecordsNotSentError):
        asyncio.run(send())
    assert len(asyncio.run(read_inputs(settings))[home("journey-1")]) == 1


def test_without_the_topic_the_line_says_how_to_create_it(broker):
    """Sending never makes a topic."""
    settings = bare(broker)

    async def connect() -> None:
        async with RecordProducer(settings):
            pass

    with pytest.raises(UnknownTopicError, match="journey-events does not exist"):
        asyncio.run(connect())
