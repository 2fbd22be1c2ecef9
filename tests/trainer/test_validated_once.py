"""Every record is validated once on its way to the log, on each way; none is appended without it."""

import asyncio
import json
import sqlite3
from collections import Counter

import pytest

from journeys.agents.history.importer import import_history
from journeys.agents.history.line_files import LineFile
from journeys.agents.inspect.dead_letter_retry import DeadLetterRetry
from journeys.agents.inspect.dead_letters import LetterFilter
from journeys.agents.kafka.record_producer import RecordProducer
from journeys.cli.commands.produce import _produce
from journeys.cli.files.bad_lines import BadLines
from journeys.schemas import validation
from journeys.schemas.codec import Codec
from journeys.schemas.lines import parse_unvalidated
from journeys.schemas.records import PolicyChanged
from journeys.schemas.topics import JOURNEY_EVENTS
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.pure_worker import work_through
from tests.fixtures.topic_contents import START_AT, Raw, home, read_inputs, touch, write
from training_orchestrator import (
    AnswerOutstandingError,
    InvalidRecordError,
    JourneyTimeoutManager,
    TouchpointProducer,
    TrainerTouchpoint,
    TrainingOrchestrator,
)

CODEC = Codec()
LINES = [
    {"journey_id": "j", "touchpoint_id": "t-1", "occurred_at": "2026-01-01T00:00:00Z", "cost": 1},
    {"journey_id": "j", "touchpoint_id": "t-2", "occurred_at": "2026-01-01T00:00:00Z", "cost": 1, "state": "ASLEEP"},
    {"kind": "registration", "journey_id": "k", "occurred_at": "2026-01-01T00:00:00Z"},
]


@pytest.fixture
def validated(monkeypatch):
    """Count calls of validate() by the kind of record, whoever calls it."""
    counts = Counter()

    def counting(kind, check):
        def checked(record):
            counts[kind.__name__] += 1
            check(record)

        return checked

    for kind, check in validation._CHECKS.items():
        monkeypatch.setitem(validation._CHECKS, kind, counting(kind, check))
    return counts


@pytest.fixture
def line_file(tmp_path):
    """Give a file of three lines, of which the second is not valid."""
    path = tmp_path / "lines.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return LineFile(str(path))


def appended_to(store):
    """Records of a store's log by their kind."""
    with sqlite3.connect(store) as connection:
        values = [value for (value,) in connection.execute("SELECT value FROM input")]
    return Counter(type(CODEC.decode(value)).__name__ for value in values)


async def call_everything(orchestrator):
    """Each call that appends a record."""
    manager = orchestrator.timeouts
    await orchestrator.register_training_journey("j-1")
    await manager.register_journey("j-2", timeout_days=3)
    await orchestrator.record_touchpoint("j-1", cost=1)
    await manager.record_touchpoints([TrainerTouchpoint(f"j-{number}", "AWARE") for number in range(5)])
    await manager.extend_timeout("j-1", 2)
    await manager.mark_abandoned("j-1")


@pytest.mark.usefixtures("each_engine")
def test_embedded_every_record_of_the_log_was_validated_once(store, validated):
    """Policies and punctuations, too."""

    async def run():
        async with TrainingOrchestrator(store_path=store) as orchestrator:
            await call_everything(orchestrator)

    asyncio.run(run())
    assert validated == appended_to(store)
    assert validated["Touchpoint"] == 6
    assert validated["JourneyCommand"] == 2


def test_embedded_an_invalid_record_keeps_back_its_call_and_no_other(store):
    """Calls that share a commit; text that UTF-8 can't encode is no exception."""

    async def run():
        async with JourneyTimeoutManager(store_path=store) as manager:
            return await asyncio.gather(
                manager.record_touchpoints([TrainerTouchpoint("good"), TrainerTouchpoint("good", "ASLEEP")]),
                manager.record_touchpoint("fine"),
                manager.record_touchpoint("unwritable", user_id="\ud800"),
                return_exceptions=True,
            )

    refused, fine, unwritable = asyncio.run(run())
    assert isinstance(refused, InvalidRecordError)
    assert fine is None
    assert str(unwritable).startswith("user_id: '\\ud800' is not allowed; expected text that UTF-8 can encode")
    assert appended_to(store)["Touchpoint"] == 1


def test_embedded_a_clock_that_gives_no_instant_is_refused(store):
    """A restart would read its punctuation as a dead letter, which decides otherwise."""
    manager = JourneyTimeoutManager(store_path=store, now=lambda: 5)
    with pytest.raises(InvalidRecordError, match="now: 5 is not allowed; expected whole milliseconds"):
        asyncio.run(manager.start())


@pytest.mark.broker
def test_connected_every_record_is_validated_once(broker, validated):
    """By a manager's, an orchestrator's and a producer's calls; no worker answers here, and the records are there."""
    settings = emptied(broker)
    servers = settings.bootstrap_servers

    async def run():
        async with TrainingOrchestrator(bootstrap_servers=servers) as orchestrator:
            manager = orchestrator.timeouts
            await orchestrator.register_training_journey("j-1")
            await orchestrator.record_touchpoint("j-1", cost=1)
            await manager.record_touchpoints([TrainerTouchpoint(f"j-{number}", "AWARE") for number in range(5)])
        manager = JourneyTimeoutManager(bootstrap_servers=servers, answer_seconds=1)
        async with manager:
            for request in (manager.mark_abandoned("j-1"), manager.extend_timeout("j-1", 2)):
                with pytest.raises(AnswerOutstandingError):
                    await request
        async with TouchpointProducer(servers) as producer:
            await producer.send("j-2", cost=1)

    asyncio.run(run())
    assert validated == {"JourneyRegistered": 1, "Touchpoint": 7, "JourneyCommand": 2}


@pytest.mark.broker
def test_connected_an_invalid_record_keeps_back_the_whole_call(broker):
    """The valid one before it is not sent."""
    settings = emptied(broker)

    async def run():
        async with JourneyTimeoutManager(bootstrap_servers=settings.bootstrap_servers) as manager:
            with pytest.raises(InvalidRecordError, match="state: 'ASLEEP' is not allowed; expected one of "):
                await manager.record_touchpoints([TrainerTouchpoint("good"), TrainerTouchpoint("bad", "ASLEEP")])
            with pytest.raises(InvalidRecordError, match="journey_id: 7 is not allowed; expected text"):
                await manager.register_journey(7)
            await manager.record_touchpoint("fine")

    asyncio.run(run())
    appended = asyncio.run(read_inputs(settings)).values()
    assert [record.journey_id for records in appended for record in records] == ["fine"]


@pytest.mark.broker
def test_produced_lines_are_validated_once(broker, validated, line_file, capsys):
    """Parsing a line converts it; the producer validates it."""
    rejected = BadLines("lines.jsonl")
    assert asyncio.run(_produce(emptied(broker), line_file, rejected, lambda *_: None)) == 2
    assert validated == {"Touchpoint": 2, "JourneyRegistered": 1}
    assert "state: 'ASLEEP' is not allowed" in capsys.readouterr().err


@pytest.mark.broker
def test_imported_lines_are_validated_once_and_a_bad_one_moves_no_clock(broker, validated, line_file):
    """Each punctuation once, however many partitions it is for."""
    settings = emptied(broker)
    report = asyncio.run(import_history(settings, line_file.records(parse_unvalidated)))
    assert (report.records, report.bad_line_count) == (2, 1)
    assert str(report.bad_lines[0].error).startswith("state: 'ASLEEP' is not allowed")
    validated.pop("Punctuation")  # reading the topic's time source validates them, too
    assert validated == {"Touchpoint": 2, "JourneyRegistered": 1}


@pytest.mark.broker
def test_a_retried_record_is_validated_once(broker, validated):
    """The record of a dead letter is good now: its key was wrong."""
    settings = emptied(broker)
    value = CODEC.encode(touch("j", 1, 0))
    asyncio.run(write(settings, [Raw(JOURNEY_EVENTS, home("j"), b"another", value)]))
    asyncio.run(work_through(settings))
    validated.clear()

    async def retry():
        return [outcome.sent async for outcome in DeadLetterRetry(settings, codec=CODEC).retry(LetterFilter())]

    assert asyncio.run(retry()) == [True]
    assert validated == {"Touchpoint": 1}


@pytest.mark.broker
def test_a_policy_for_all_partitions_is_validated_once(broker, validated):
    """One record, four partitions."""
    settings = emptied(broker)

    async def send():
        async with RecordProducer(settings) as producer:
            await producer.send_to_all(PolicyChanged("p-1", "{}", START_AT))

    asyncio.run(send())
    assert validated == {"PolicyChanged": 1}
