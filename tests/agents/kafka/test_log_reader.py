"""Reading a topic: all of it, in order, up to the end that it had, and never for ever."""

import asyncio
from contextlib import aclosing

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from journeys.agents.kafka.connection import admin
from journeys.agents.kafka.log_reader import ReaderStalledError, RecordsDeletedError, UnknownTopicError, open_log, tail
from journeys.schemas.topics import JOURNEY_EVENTS, JOURNEY_LIFECYCLE
from tests.fixtures.fresh_kafka import bare, emptied
from tests.fixtures.topic_contents import Raw, read, write

pytestmark = pytest.mark.broker


def raws(partition: int, count: int, begin: int = 0) -> list[Raw]:
    """Records that tell their number."""
    return [Raw(JOURNEY_EVENTS, partition, b"k", b"%d" % number) for number in range(begin, begin + count)]


async def numbers(log, partition: int, **span: int) -> list[int]:
    """Numbers that the records of a partition tell."""
    return [int(record.value) async for batch in log.read_partition(partition, **span) for record in batch.records]


def test_every_record_comes_once_in_order_and_empty_partitions_are_fine(broker):
    """More records than one batch holds, in two of four partitions."""
    settings = emptied(broker)

    async def written_and_read() -> dict:
        await write(settings, raws(0, 12_000) + raws(2, 3))
        return await read(settings)

    found = asyncio.run(written_and_read())
    assert {partition: [int(record.value) for record in records] for partition, records in found.items()} == {
        0: list(range(12_000)),
        1: [],
        2: [0, 1, 2],
        3: [],
    }
    assert [record.offset for record in found[0]] == list(range(12_000))


def test_the_end_is_the_one_at_the_opening(broker):
    """What is appended while somebody reads belongs to the next reading."""
    settings = emptied(broker)

    async def read_twice() -> tuple:
        await write(settings, raws(1, 10))
        async with open_log(settings, JOURNEY_EVENTS, catalog=None) as log:
            await write(settings, raws(1, 5, begin=10))
            ends = await log.end_offsets_now()
            return log.end_offsets, await numbers(log, 1), ends, await numbers(log, 1, end=ends[1])

    noted, first, now, second = asyncio.run(read_twice())
    assert (noted[1], first) == (10, list(range(10)))
    assert (now[1], second) == (15, list(range(15)))


def test_a_span_is_read_from_its_start_to_its_end(broker):
    """The start is within, the end is not; a span without records asks nobody."""
    settings = emptied(broker)

    async def spans() -> list:
        await write(settings, raws(3, 10))
        async with open_log(settings, JOURNEY_EVENTS, catalog=None) as log:
            wanted = ({"start": 4, "end": 7}, {"start": 9}, {"start": 10})
            return [await numbers(log, 3, **span) for span in wanted]

    assert asyncio.run(spans()) == [[4, 5, 6], [9], []]


def test_a_log_that_ends_in_a_transaction_marker_has_an_end_all_the_same(broker):
    """The last offset is a marker, which nobody is given: a reader that counts records would wait for ever."""
    settings = emptied(broker)

    async def in_transaction() -> tuple:
        client = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers, transactional_id="test-markers")
        async with client, client.transaction():
            await client.send_and_wait(JOURNEY_EVENTS, b"0", b"k", 0)
        async with open_log(settings, JOURNEY_EVENTS, catalog=None) as log:
            return log.end_offsets[0], await numbers(log, 0)

    assert asyncio.run(in_transaction()) == (2, [0])


def test_a_log_without_its_head_is_told(broker):
    """Deleted records make a replay worthless, so nobody reads on in silence."""
    settings = emptied(broker)

    async def cut_and_read() -> tuple:
        await write(settings, raws(0, 10))
        async with open_log(settings, JOURNEY_EVENTS, catalog=None) as whole:
            whole.require_complete()
            async with admin(settings) as client:
                await client.delete_records({TopicPartition(JOURNEY_EVENTS, 0): RecordsToDelete(4)})
            with pytest.raises(RecordsDeletedError, match="deleted before they were read"):
                await numbers(whole, 0)
        async with open_log(settings, JOURNEY_EVENTS, catalog=None) as cut:
            with pytest.raises(RecordsDeletedError, match=r"journey-events\[0\] begins at offset 4"):
                cut.require_complete()
            return cut.start_offsets, await numbers(cut, 0)

    starts, rest = asyncio.run(cut_and_read())
    assert starts == {0: 4, 1: 0, 2: 0, 3: 0}
    assert rest == [4, 5, 6, 7, 8, 9]


def test_a_partition_that_gives_nothing_ends_in_an_error(broker):
    """Asked for more than there is, the reader says so instead of waiting for ever."""
    settings = emptied(broker)

    async def wait_in_vain() -> None:
        await write(settings, raws(0, 2))
        async with open_log(settings, JOURNEY_EVENTS, catalog=None, stall_seconds=1) as log:
            await numbers(log, 0, end=5)

    with pytest.raises(ReaderStalledError, match=r"journey-events\[0\] gave no records for 1 s at offset 2 although"):
        asyncio.run(wait_in_vain())


def test_an_unknown_topic_is_named_and_not_created(broker):
    """Reading never makes a topic."""
    settings = bare(broker)

    async def open_twice() -> None:
        for _ in range(2):
            with pytest.raises(UnknownTopicError, match="journey-events does not exist; create it with `journeys"):
                async with open_log(settings, JOURNEY_EVENTS, catalog=None):
                    pass

    asyncio.run(open_twice())


def test_the_tail_gives_what_is_appended_and_what_was_asked_for(broker):
    """One topic from a given offset, the other from its present end."""
    settings = emptied(broker)

    async def follow() -> set:
        await write(settings, [*raws(0, 5), Raw(JOURNEY_LIFECYCLE, 1, b"k", b"before")])
        seen: set = set()
        topics = (JOURNEY_EVENTS, JOURNEY_LIFECYCLE)
        async with aclosing(tail(settings, topics, catalog=None, start_offsets={(JOURNEY_EVENTS, 0): 3})) as batches:
            async for batch in batches:
                if not seen:  # the ends are noted by now
                    await write(settings, [Raw(JOURNEY_LIFECYCLE, 1, b"k", b"after"), *raws(2, 1)])
                seen.update((batch.topic, batch.partition, record.value) for record in batch.records)
                if len(seen) == 4:
                    return seen
        return seen

    assert asyncio.run(asyncio.wait_for(follow(), 60)) == {
        (JOURNEY_EVENTS, 0, b"3"),
        (JOURNEY_EVENTS, 0, b"4"),
        (JOURNEY_LIFECYCLE, 1, b"after"),
        (JOURNEY_EVENTS, 2, b"0"),
    }
