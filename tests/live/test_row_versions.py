"""Workers of neighbouring versions hand the table to each other: after an upgrade, and after a roll-back."""

import asyncio

import pytest

from journeys.agents.settings.settings import Settings
from journeys.agents.verify.table_check import check_table
from journeys.schemas.catalog import fingerprint
from journeys.schemas.codec import Codec
from journeys.schemas.rows import journey_of
from journeys.schemas.topics import changelog_name
from journeys.streams.stored.schema_rows import missing_schemas
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.row_versions import AFTER, BEFORE, schema_row, written_as
from tests.fixtures.topic_contents import DAY, HOUR, Raw, punctuation, read, touch, write

from .topic_exchange import append
from .verified import verified
from .worker_process import Workers

pytestmark = [pytest.mark.broker, pytest.mark.slow]

JOURNEYS = [f"journey-{number}" for number in range(300)]
CHANGELOG = changelog_name("journeys")
CODEC = Codec()
for known in (BEFORE, AFTER):
    CODEC.catalog.add(fingerprint(known), known)


async def write_as(settings: Settings, schema: dict, *, told: bool) -> int:
    """Write every third row once more, as a worker of that version does; gives how many. `told`: with their schema."""
    raws = []
    for number, records in (await read(settings, CHANGELOG)).items():
        if told:
            raws.append(Raw(CHANGELOG, number, *schema_row(schema)[:2]))
        latest = {record.key: record.value for record in records if journey_of(record.key) is not None}
        raws += [
            Raw(CHANGELOG, number, key, written_as(schema, CODEC.decode_fields(value)[1]))
            for key, value in list(latest.items())[::3]
        ]
    await write(settings, raws)
    return len(raws)


async def records_in_changelog(settings: Settings) -> dict[int, int]:
    """Number of records by partition."""
    return {number: len(records) for number, records in (await read(settings, CHANGELOG)).items()}


def test_rows_of_the_version_before_and_of_the_one_after_are_restored(broker, workers):
    """And one after the other in the same changelog, mixed with rows of this version: nothing is lost or changed."""
    settings = emptied(broker, session_timeout_seconds=3)
    first = workers.start(settings)
    append(settings, punctuation(0), *(touch(name, number, number * HOUR) for name in JOURNEYS for number in (1, 2)))
    workers.wait_until_applied(settings)
    first.stop()
    own = {row.key for row in missing_schemas((), CODEC)}
    for records in asyncio.run(read(settings, CHANGELOG)).values():
        assert {record.key for record in records[: len(own)]} == own, "before any other row"
    for schema, hour in ((BEFORE, 20), (AFTER, 30)):
        assert asyncio.run(write_as(settings, schema, told=True)) > len(JOURNEYS) // 4
        worker = workers.start(settings)
        worker.wait_until_logged("restored: partitions [")
        append(settings, *(touch(name, hour, hour * HOUR) for name in JOURNEYS[::4]))
        workers.wait_until_applied(settings)
        assert asyncio.run(check_table(settings)).ok
        worker.stop()
    last = workers.start(settings)
    append(settings, punctuation(20 * DAY))
    workers.wait_until_applied(settings)
    last.stop()
    report, _ = verified(settings)
    assert report.abandonments.equal == len(JOURNEYS)
    for records in asyncio.run(read(settings, CHANGELOG)).values():
        assert sum(record.key in own for record in records) == len(own), "told once, however many workers there were"


def test_a_row_of_a_schema_that_nobody_tells_ends_the_worker(broker, workers, tmp_path):
    """With exit code 2, the row and its schema id; not a record is written, and with the schema told it goes on."""
    settings = emptied(broker, session_timeout_seconds=3)
    first = workers.start(settings)
    append(settings, punctuation(0), *(touch(name, 1, HOUR) for name in JOURNEYS))
    workers.wait_until_applied(settings)
    first.stop()
    asyncio.run(write_as(settings, AFTER, told=False))
    before = asyncio.run(records_in_changelog(settings))

    (tmp_path / "other").mkdir()
    with Workers(tmp_path / "other") as others:
        refusing = others.start(settings)
        assert refusing.exit_code(60) == 2, refusing.told("did not refuse")
    (said,) = [line for line in refusing.log.splitlines() if "worker ends: " in line]
    assert "the row of journey 'journey-" in said
    assert "no such schema is known here, nor in the registry if one is set" in said
    assert "run the version that wrote it, or rebuild the table" in said
    assert "Traceback" not in refusing.log
    assert asyncio.run(records_in_changelog(settings)) == before

    told = [Raw(CHANGELOG, number, *schema_row(AFTER)[:2]) for number in before]
    asyncio.run(write(settings, told))
    last = workers.start(settings)
    append(settings, punctuation(20 * DAY))
    workers.wait_until_applied(settings)
    last.stop()
    report, _ = verified(settings)
    assert report.abandonments.equal == len(JOURNEYS)
