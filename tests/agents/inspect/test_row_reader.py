"""What is stored and published of one journey, found among all others."""

import asyncio

import pytest

from journeys.agents.inspect.journey_view import SHOWN_RECORDS
from journeys.agents.inspect.row_reader import read_row
from journeys.agents.kafka.record_producer import RecordProducer
from journeys.agents.kafka.topic_setup import create_topics
from journeys.schemas.codec import Codec
from journeys.schemas.rows import PARTITION_KEY, PartitionRow, journey_key
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, changelog_name
from journeys.streams.partition.restore import TableMismatchError
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.pure_worker import work_through
from tests.fixtures.topic_contents import DAY, HOUR, START_AT, Raw, home, produce, punctuation, touch, write

pytestmark = pytest.mark.broker


def prepared(broker, records, change=lambda raws: raws):
    """Settings of a Kafka that a worker has worked through; each punctuation goes to every partition."""
    settings = emptied(broker)

    async def fill() -> None:
        await produce(settings, records)
        await work_through(settings, change)

    asyncio.run(fill())
    return settings


def test_an_open_journey_shows_its_row_and_how_it_began(broker):
    """Among others in the same partition."""
    settings = prepared(broker, [touch("a", 1, 0), touch("b", 1, 5), touch("a", 2, HOUR), punctuation(2 * HOUR)])
    assert home("a") == home("b")
    view = asyncio.run(read_row(settings, "a"))
    assert (view.journey_id, view.partition, view.clock) == ("a", home("a"), START_AT + 2 * HOUR)
    assert (view.row.open, view.row.touchpoint_count, view.row.total_cost_micros) == (True, 2, 2_000_000)
    assert view.row.deadline_at == START_AT + HOUR + 3 * DAY
    assert [said.kind for said in view.lifecycle] == ["started"]
    assert view.abandonments == []


def test_an_ended_journey_shows_what_was_published_each_once(broker):
    """Abandoned, returned; the abandonment was published twice after a crash."""
    records = [touch("a", 1, 0), punctuation(5 * DAY), touch("a", 2, 6 * DAY), punctuation(7 * DAY)]

    def repeat(raws: list[Raw]) -> list[Raw]:
        return raws + [raw for raw in raws if raw.topic == JOURNEY_ABANDONMENTS]

    view = asyncio.run(read_row(prepared(broker, records, repeat), "a"))
    (abandoned,) = view.abandonments
    assert (abandoned.abandonment_reason, abandoned.abandoned_at) == ("INACTIVITY", START_AT + 3 * DAY)
    assert [said.kind for said in view.lifecycle] == ["started", "returned"]
    assert view.row.open
    assert view.row.previous_abandonment_id == abandoned.abandonment_id


def test_a_row_that_a_frozen_worker_wrote_late_is_not_believed(broker):
    """The greatest offset wins, not the last row of the changelog."""
    settings = prepared(broker, [touch("a", 1, 0)])
    older = asyncio.run(read_row(settings, "a")).row
    assert older.touchpoint_count == 1

    async def go_on_and_wake_up() -> None:
        async with RecordProducer(settings) as producer:
            await producer.send(touch("a", 2, HOUR))
        await work_through(settings)
        stale = Codec().encode_fields("JourneyRow", older.stored())
        await write(settings, [Raw(changelog_name("journeys"), home("a"), journey_key("a"), stale)])

    asyncio.run(go_on_and_wake_up())
    assert asyncio.run(read_row(settings, "a")).row.touchpoint_count == 2


def test_a_forgotten_journey_and_an_unknown_one_have_no_row(broker):
    """Its tombstone is the last word; what was published of it is still there."""
    records = [touch("a", 1, 0), punctuation(5 * DAY), punctuation(40 * DAY)]
    settings = prepared(broker, records)
    forgotten = asyncio.run(read_row(settings, "a"))
    assert forgotten.row is None
    assert len(forgotten.abandonments) == 1
    unknown = asyncio.run(read_row(settings, "nobody"))
    assert (unknown.row, unknown.abandonments, unknown.lifecycle) == (None, [], [])
    assert unknown.clock == START_AT + 40 * DAY


def test_of_a_long_history_the_last_records_are_shown(broker):
    """An episode each week."""
    weeks = SHOWN_RECORDS + 3
    records = []
    for week in range(weeks):
        records += [touch("a", week, week * 7 * DAY), punctuation((week * 7 + 5) * DAY)]
    view = asyncio.run(read_row(prepared(broker, records), "a"))
    assert [abandoned.started_at for abandoned in view.abandonments] == [
        START_AT + week * 7 * DAY for week in range(3, weeks)
    ]


def test_topics_that_nobody_has_written_to_have_no_journey(broker):
    """Before the first worker there is no clock either."""
    view = asyncio.run(read_row(emptied(broker), "a"))
    assert (view.row, view.clock, view.lifecycle) == (None, None, [])


def test_a_table_of_another_number_of_partitions_is_not_read(broker):
    """Its rows may be anywhere."""
    settings = prepared(broker, [touch("a", 1, 0), punctuation(0)])
    other = settings.model_copy(update={"application_id": "other"})

    async def copy_partition_row() -> None:
        await create_topics(other)
        row = PartitionRow(1, None, None, "default-1", 7)
        await write(other, [Raw(changelog_name("other"), home("a"), PARTITION_KEY, Codec().encode(row))])

    asyncio.run(copy_partition_row())
    with pytest.raises(TableMismatchError, match="made for 7 partitions"):
        asyncio.run(read_row(other, "a"))
