"""Retries of records of which a dead letter holds only the beginning: read again from where they came from, or not."""

import asyncio

import pytest

from journeys.agents.inspect.dead_letter_retry import DeadLetterRetry
from journeys.agents.inspect.dead_letters import LetterFilter, Place
from journeys.cli.views.dead_letter_view import letter_view
from journeys.clock import now_ms
from journeys.schemas.catalog import fingerprint, own_schemas
from journeys.schemas.codec import Codec
from journeys.schemas.records import JourneyCommand, Touchpoint
from journeys.schemas.topics import JOURNEY_EVENTS
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.pure_worker import work_through
from tests.fixtures.topic_contents import Raw, home, read, write

pytestmark = pytest.mark.broker

CODEC = Codec()
NOW = now_ms()


def record_of(journey_id, value):
    """Kafka record of a value in the journey's partition."""
    return Raw(JOURNEY_EVENTS, home(journey_id), journey_id.encode(), value)


def retried(settings):
    """Records of the input topic that have headers."""
    found = asyncio.run(read(settings))
    return [CODEC.decode_input(record.value) for records in found.values() for record in records if record.headers]


def newer_schema():
    """Touchpoint's schema of a writer that is ahead of this project: it has one field more."""
    own = own_schemas()["Touchpoint"]
    return own | {"fields": [*own["fields"], {"name": "page", "type": "string", "default": ""}]}


def large_value(catalog_id):
    """200 kB, of which a dead letter holds 64 KiB: valid for whoever knows the writer's schema."""
    writer = Codec()
    writer.catalog.add(catalog_id, newer_schema())
    value = bytearray(CODEC.encode(Touchpoint("j", None, "t", NOW, cost_micros=5)))
    value[1:5] = catalog_id.to_bytes(4, "big")
    return bytes(value) + b"\x80\xb5\x18" + b"p" * 200_000, writer


def retry_all(settings, codec):
    """Outcomes of retrying everything."""

    async def run():
        return [outcome async for outcome in DeadLetterRetry(settings, codec=codec).retry(LetterFilter())]

    return asyncio.run(run())


def test_a_large_record_is_read_again_from_its_origin(broker):
    """Whole, by its hash, once its schema is known; as long as the log holds it and it is the same record."""
    kafka = emptied(broker)
    value, writer = large_value(fingerprint(newer_schema()))
    asyncio.run(write(kafka, [record_of("j", value)]))
    asyncio.run(work_through(kafka))
    (refused,) = retry_all(kafka, CODEC)
    assert not refused.sent
    assert refused.why_not.startswith("schema id: ")
    (outcome,) = retry_all(kafka, writer)
    assert outcome.sent, outcome.why_not
    (record,) = retried(kafka)
    assert record == Touchpoint("j", None, "t", NOW, cost_micros=5)


def test_a_large_record_that_is_not_there_any_more_is_refused(broker):
    """Its topic was created anew, and another record is in its place, or none."""
    kafka = emptied(broker)
    value, writer = large_value(fingerprint(newer_schema()))

    def other_offset(raws):
        """Letters of records that the log never had: as if it had been another topic."""
        letter = next(CODEC.decode(raw.value) for raw in raws if raw.topic.endswith(".dead-letter"))
        return [
            Raw("journey-events.dead-letter", letter.partition, b"", CODEC.encode(letter._replace(offset=offset)))
            for offset in (1, 77)
        ]

    command = CODEC.encode(JourneyCommand("j", NOW, "abandon"))
    asyncio.run(write(kafka, [record_of("j", value), record_of("j", command)]))
    asyncio.run(work_through(kafka, other_offset))
    for outcome in retry_all(kafka, writer):
        assert not outcome.sent
        assert "does not hold the record any more (of 200," in outcome.why_not
    assert retried(kafka) == []
    place = Place(JOURNEY_EVENTS, home("j"), 77)
    assert "does not hold the record any more" in asyncio.run(letter_view(kafka, place)).lost
