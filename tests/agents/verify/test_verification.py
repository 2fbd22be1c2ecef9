"""Verify finds exactly what was taken away, added, altered and repeated, and nothing else."""

import asyncio
import threading

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from journeys.agents.demo.load_generator import generate
from journeys.agents.kafka.record_producer import RecordProducer
from journeys.agents.verify.output_comparison import OutputComparison
from journeys.agents.verify.verification import verify
from journeys.schemas.codec import Codec
from journeys.schemas.lines import parse_line
from journeys.schemas.records import DeadLetter, JourneyAbandoned
from journeys.schemas.topics import DEAD_LETTERS, JOURNEY_ABANDONMENTS, JOURNEY_EVENTS, JOURNEY_LIFECYCLE
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.pure_worker import work_through
from tests.fixtures.topic_contents import DAY, START_AT, Raw, punctuation, write

pytestmark = pytest.mark.broker
CODEC = Codec()


@pytest.fixture
def settings(broker):
    """Give settings of a Kafka whose input topic holds some 2,000 records, three of them garbage."""
    settings = emptied(broker)

    async def fill() -> None:
        records = [parse_line(line) for line in generate(200, seed=11)]
        async with RecordProducer(settings) as producer:
            await producer.send_to_all(punctuation(-300 * DAY))
            for record in records:
                await producer.send(record)
            await producer.send_to_all(punctuation(0)._replace(at=records[-1].occurred_at + 91 * DAY))
        await write(settings, [Raw(JOURNEY_EVENTS, partition, b"k", b"garbage") for partition in (0, 1, 1)])

    asyncio.run(fill())
    return settings


def of(raws: list[Raw], topic: str) -> list[Raw]:
    """Choose the messages of one topic."""
    return [raw for raw in raws if raw.topic == topic]


def altered(raw: Raw, **fields) -> Raw:
    """Change fields of an output message."""
    return raw._replace(value=CODEC.encode(CODEC.decode(raw.value)._replace(**fields)))


def counts_of(comparison) -> tuple:
    """Equal, missing, extra, different, duplicates, ahead."""
    return (
        comparison.equal,
        comparison.missing,
        comparison.extra,
        comparison.different,
        comparison.duplicates,
        comparison.ahead,
    )


def test_what_a_worker_published_faithfully_is_equal(settings):
    """Every output of all three topics, and every input record in one kind."""
    written = asyncio.run(work_through(settings))
    report = asyncio.run(verify(settings))
    topics = (JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE, DEAD_LETTERS)
    abandonments, lifecycle, letters = (len(of(written, topic)) for topic in topics)
    assert abandonments > 200
    assert letters == 3
    assert counts_of(report.abandonments) == (abandonments, 0, 0, 0, 0, 0)
    assert counts_of(report.lifecycle) == (lifecycle, 0, 0, 0, 0, 0)
    assert counts_of(report.dead_letters) == (3, 0, 0, 0, 0, 0)
    assert report.ok
    assert report.counts_add_up
    assert report.records_read == report.counts.read > 2_000
    assert report.counts.punctuations == 8
    assert report.abandonments.differences == []


def test_a_faulty_worker_is_found_out_to_the_last_message(settings):
    """Of the abandonments 2 missing, 1 altered, 3 repeated, 1 repeated otherwise, 1 made up, 1 unreadable."""

    def spoil(raws: list[Raw]) -> list[Raw]:
        good = of(raws, JOURNEY_ABANDONMENTS)
        made_up = altered(good[3], abandonment_id="f" * 32)
        return [
            *(raw for raw in raws if raw not in good[:3]),
            altered(good[2], total_penalty_micros=7, abandoned_at=START_AT),
            *good[10:13],
            altered(good[20], note="otherwise"),
            made_up,
            made_up,
            Raw(JOURNEY_ABANDONMENTS, 0, b"k", b"garbage"),
        ]

    written = asyncio.run(work_through(settings, spoil))
    report = asyncio.run(verify(settings))
    ids = {CODEC.decode(raw.value).abandonment_id for raw in of(written, JOURNEY_ABANDONMENTS)[:-1]}
    # Of the ids that are there, one is altered, one repeated otherwise, one made up.
    assert counts_of(report.abandonments) == (len(ids) - 3, 2, 2, 2, 3, 0)
    assert report.abandonments.unreadable == 1
    assert not report.ok
    assert report.lifecycle.ok
    assert report.dead_letters.ok
    by_kind = {}
    for difference in report.abandonments.differences:
        by_kind.setdefault(difference.kind, []).append(difference.text)
    assert {kind: len(texts) for kind, texts in by_kind.items()} == {"missing": 2, "extra": 2, "different": 2}
    (penalty,) = [text for text in by_kind["different"] if "total_penalty_micros is 7, the replay says " in text]
    assert "abandoned_at is 2025-10-09T08:53:20.000Z, the replay says 20" in penalty
    assert any("note is 'otherwise', the replay says None" in text for text in by_kind["different"])
    assert all(text.endswith("was not published") for text in by_kind["missing"])


def test_lifecycle_and_dead_letters_are_compared_as_well(settings):
    """One lifecycle record missing, one altered; a dead letter missing, another repeated, one of nowhere."""

    def spoil(raws: list[Raw]) -> list[Raw]:
        said, letters = of(raws, JOURNEY_LIFECYCLE), of(raws, DEAD_LETTERS)
        rest = [raw for raw in raws if raw not in (said[0], said[1], letters[0])]
        reworded = altered(letters[1], reason="said in other words")
        nowhere = altered(letters[1], offset=1_000_000)
        return [*rest, altered(said[1], detected_at=START_AT), reworded, nowhere]

    written = asyncio.run(work_through(settings, spoil))
    report = asyncio.run(verify(settings, shown=1))
    assert counts_of(report.lifecycle) == (len(of(written, JOURNEY_LIFECYCLE)) - 1, 1, 0, 1, 0, 0)
    assert counts_of(report.dead_letters) == (2, 1, 1, 0, 1, 0)
    assert [len(found.differences) for found in (report.abandonments, report.lifecycle, report.dead_letters)] == [
        0,
        1,
        1,
    ]


def test_what_is_published_meanwhile_is_ahead_and_never_extra(settings):
    """A worker goes on while its topics are verified: outputs of later input are not judged."""
    written = asyncio.run(work_through(settings))
    late = altered(of(written, JOURNEY_ABANDONMENTS)[0], abandonment_id="e" * 32)
    again = of(written, JOURNEY_ABANDONMENTS)[1]
    done = []

    def publish(read: int, total: int) -> None:
        if not done:
            done.append((read, total))
            writer = threading.Thread(target=lambda: asyncio.run(write(settings, [late, again])))
            writer.start()
            writer.join(30)

    report = asyncio.run(verify(settings, progress=publish))
    assert counts_of(report.abandonments)[1:] == (0, 0, 0, 1, 1)
    assert report.ok
    assert 0 < done[0][0] <= done[0][1] == report.records_read


def test_a_worker_that_lags_shows_as_missing_with_its_lag(settings):
    """What it has not come to is not there; the report says how far behind it is."""
    report = asyncio.run(verify(settings))
    assert report.abandonments.missing > 200
    assert report.abandonments.equal == 0
    assert report.lag == dict.fromkeys(range(4))
    assert report.lag_total == report.records_read

    async def commit() -> None:
        servers = settings.bootstrap_servers
        async with AIOKafkaConsumer(bootstrap_servers=servers, group_id="journeys", enable_auto_commit=False) as client:
            client.assign([TopicPartition(JOURNEY_EVENTS, partition) for partition in range(3)])
            await client.commit({TopicPartition(JOURNEY_EVENTS, partition): 10 for partition in range(3)})

    asyncio.run(commit())
    lagging = asyncio.run(verify(settings))
    assert lagging.lag[3] is None
    assert lagging.lag_total == report.lag_total - 30
    assert not lagging.ok


def test_an_empty_kafka_is_in_order(broker):
    """Nothing in, nothing out."""
    report = asyncio.run(verify(emptied(broker)))
    assert report.ok
    assert (report.records_read, report.lag_total) == (0, 0)


def test_an_id_published_rightly_and_wrongly_is_different_whatever_came_first():
    """A sink that took the first copy, or the last, has the wrong one."""
    letter = DeadLetter("t", 0, 1, "r", None, None, None, 0, "")
    right = CODEC.decode(CODEC.encode(abandonment()))
    wrong = CODEC.encode(right._replace(state="AWARE"))
    for copies in ([CODEC.encode(right), wrong], [wrong, CODEC.encode(right)]):
        comparison = OutputComparison(JOURNEY_ABANDONMENTS, JourneyAbandoned, CODEC, 5)
        comparison.expect(right)
        for value in copies:
            comparison.add_published(value, "here", is_ahead=False)
        assert counts_of(comparison.result()) == (0, 0, 0, 1, 0, 0)
    comparison = OutputComparison(JOURNEY_ABANDONMENTS, JourneyAbandoned, CODEC, 5)
    comparison.add_published(CODEC.encode(letter), "here", is_ahead=False)
    comparison.add_published(None, "there", is_ahead=True)
    assert counts_of(comparison.result()) == (0, 0, 1, 0, 0, 1)


def abandonment() -> JourneyAbandoned:
    """Any abandonment."""
    fields = JourneyAbandoned._fields
    made = dict.fromkeys(fields, None) | dict.fromkeys(
        [name for name in fields if name.endswith(("_micros", "_at", "days_active", "_count", "_version"))], 1
    )
    made |= {"abandonment_id": "1" * 32, "journey_id": "a", "abandonment_reason": "TIMEOUT", "state": "INTENT"}
    made |= {"conversion_probability": 0.5, "state_weight": 0.5, "time_factor": 0.5, "reason_multiplier": 0.5}
    made |= {"policy_version": "p", "touchpoint_policy_version": None, "terminated": False, "truncated": True}
    return JourneyAbandoned(**made)
