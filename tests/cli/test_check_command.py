"""`journeys check` and its --rebuild, on a real Kafka without a worker."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from journeys.agents.kafka.connection import admin
from journeys.schemas.codec import Codec
from journeys.schemas.rows import PARTITION_KEY, journey_of
from journeys.schemas.topics import JOURNEY_EVENTS, changelog_name
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.pure_worker import work_through
from tests.fixtures.topic_contents import Raw, read, write

from .history import HISTORY, write_lines

pytestmark = pytest.mark.broker
CODEC = Codec()
CHANGELOG = changelog_name("journeys")


@pytest.fixture
def kafka(broker, cli, monkeypatch, tmp_path):
    """Settings of a Kafka with a short history in its input topic, which the commands find in the environment."""
    monkeypatch.setenv("JOURNEYS_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    settings = emptied(broker)
    lines = write_lines(tmp_path / "in.jsonl", HISTORY)
    assert cli("import", lines, "--until", "2026-01-10T00:00:00Z").exit_code == 0
    return settings


def cells(stdout: str) -> dict[str, list[str]]:
    """Counts of the table that is printed, by kind of row: equal, missing, extra, different, ahead."""
    return {
        line.split()[0]: [cell.strip() for cell in line.split("│")[1:]] for line in stdout.splitlines() if "│" in line
    }


async def commit(settings, offsets: dict[int, int]) -> None:
    """Commit offsets of the input topic for the worker's group."""
    servers = settings.bootstrap_servers
    async with AIOKafkaConsumer(bootstrap_servers=servers, group_id="journeys", enable_auto_commit=False) as client:
        client.assign([TopicPartition(JOURNEY_EVENTS, number) for number in offsets])
        await client.commit({TopicPartition(JOURNEY_EVENTS, number): offset for number, offset in offsets.items()})


def test_check_counts_and_exits_with_1_when_something_differs(kafka, cli):
    """All equal; then a row that somebody altered, in words."""
    written = asyncio.run(work_through(kafka))
    rows = [raw for raw in written if raw.topic == CHANGELOG and journey_of(raw.key) is not None]
    good = cli("check")
    assert (good.exit_code, good.stderr) == (0, "")
    assert cells(good.stdout)["journeys"] == [str(len(rows)), "0", "0", "0", "0"]
    _, fields = CODEC.decode_fields(rows[0].value)
    wrong = CODEC.encode_fields("JourneyRow", fields | {"touchpoint_count": 77})
    asyncio.run(write(kafka, [rows[0]._replace(value=wrong)]))
    bad = cli("check")
    assert bad.exit_code == 1
    assert cells(bad.stdout)["journeys"] == [str(len(rows) - 1), "0", "0", "1", "0"]
    said = f"journey {journey_of(rows[0].key)}: touchpoint_count is 77, the log makes {fields['touchpoint_count']}"
    assert said in bad.stdout


def test_rebuild_makes_the_table_that_the_log_makes(kafka, cli):
    """What was there is gone, whatever it claimed; rows are up to what the group has committed, no further."""
    written = asyncio.run(work_through(kafka))
    row = next(raw for raw in written if raw.topic == CHANGELOG and journey_of(raw.key) is not None)
    _, fields = CODEC.decode_fields(row.value)
    greater = CODEC.encode_fields("JourneyRow", fields | {"offset": 10**9, "touchpoint_count": 77})
    asyncio.run(write(kafka, [row._replace(value=greater), Raw(CHANGELOG, 0, b"jmade-up", greater)]))
    damaged = cli("check")
    assert damaged.exit_code == 1
    assert cells(damaged.stdout)["journeys"][1:] == ["0", "1", "1", "0"], "no log has such an offset: not ahead"
    ends = {number: len(records) for number, records in asyncio.run(read(kafka)).items()}
    short = next(number for number, end in ends.items() if end > 2)
    never = next(number for number in ends if number != short)
    committed = {number: end for number, end in ends.items() if number != never} | {short: ends[short] - 1}
    asyncio.run(commit(kafka, committed))
    rebuilt = cli("check", "--rebuild")
    assert rebuilt.exit_code == 0, rebuilt.stdout
    assert rebuilt.stderr.startswith(f"journeys: partition {never}: the group has committed nothing, so its rows are ")
    assert cells(rebuilt.stdout)["partitions"] == ["4", "0", "0", "0", "0"]
    assert cells(rebuilt.stdout)["journeys"][1:] == ["0", "0", "0", "0"]
    stored = asyncio.run(read(kafka, CHANGELOG))
    own = {number: records[-1] for number, records in stored.items() if records}
    assert all(record.key == PARTITION_KEY for record in own.values()), "no partition's own row before its rows"
    assert {number: CODEC.decode(record.value).applied_offset + 1 for number, record in own.items()} == committed
    assert all(b"made-up" not in record.key for records in stored.values() for record in records)


def test_rebuild_of_a_changelog_that_was_deleted(kafka, cli):
    """It is created as the topic map says, and filled."""
    asyncio.run(work_through(kafka))

    async def delete() -> None:
        async with admin(kafka) as client:
            await client.delete_topics([CHANGELOG])

    asyncio.run(delete())
    asyncio.run(commit(kafka, {number: len(records) for number, records in asyncio.run(read(kafka)).items()}))
    rebuilt = cli("check", "--rebuild")
    assert (rebuilt.exit_code, rebuilt.stderr) == (0, "")
    assert int(cells(rebuilt.stdout)["journeys"][0]) > 0
    assert cli("topics", "check").exit_code == 0
