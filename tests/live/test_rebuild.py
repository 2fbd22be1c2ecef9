"""A table that is gone or damaged is made anew from the input topic, and workers go on as if nothing had happened."""

import asyncio

import pytest

from journeys.agents.kafka.connection import admin
from journeys.agents.settings.settings import Settings
from journeys.agents.verify import table_rebuild
from journeys.agents.verify.table_check import check_table
from journeys.agents.verify.table_comparison import TableReport
from journeys.agents.verify.table_rebuild import RebuildReport, rebuild_table
from journeys.schemas.codec import Codec
from journeys.schemas.rows import PARTITION_KEY, journey_of
from journeys.schemas.topics import changelog_name
from tests.cli.console_script import journeys
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.topic_contents import DAY, HOUR, Raw, punctuation, read, touch, write

from .topic_exchange import append
from .verified import verified

pytestmark = [pytest.mark.broker, pytest.mark.slow]

JOURNEYS = [f"journey-{number}" for number in range(400)]
CHANGELOG = changelog_name("journeys")
CODEC = Codec()


@pytest.fixture
def settings(broker, tmp_path) -> Settings:
    """Settings with empty topics, for workers that keep their rows on disk as well."""
    return emptied(broker, store="rocksdb://", data_dir=tmp_path / "data", session_timeout_seconds=3)


def morning(settings: Settings) -> None:
    """Append touchpoints of every journey; every fifth falls silent and is abandoned."""
    append(settings, punctuation(0), *(touch(name, 1, HOUR) for name in JOURNEYS))
    append(settings, *(touch(name, 2, 2 * DAY) for place, name in enumerate(JOURNEYS) if place % 5))
    append(settings, punctuation(4 * DAY))


def evening(settings: Settings) -> None:
    """Append returns of some that fell silent, then time enough to abandon all."""
    append(settings, *(touch(name, 3, 4 * DAY + HOUR) for name in JOURNEYS[::10]), punctuation(30 * DAY))


def checked(settings: Settings) -> TableReport:
    """Check the table."""
    return asyncio.run(check_table(settings))


def rebuilt(settings: Settings) -> RebuildReport:
    """Rebuild the table, which is then in order."""
    report = asyncio.run(rebuild_table(settings))
    check = checked(settings)
    assert check.ok, check.differences
    return report


async def damage(settings: Settings) -> None:
    """Write rows as no worker does: altered at their own offset and at a great one, made up, a clock of the future."""
    spoiled = []
    for number, records in (await read(settings, CHANGELOG)).items():
        latest = {record.key: record.value for record in records if record.value is not None}
        rows = [(key, value) for key, value in latest.items() if journey_of(key) is not None][:20]
        for place, (key, value) in enumerate(rows):
            _, fields = CODEC.decode_fields(value)
            wrong = fields | {"total_cost_micros": 1, "offset": fields["offset"] if place % 2 else 10**9}
            spoiled.append(Raw(CHANGELOG, number, key, CODEC.encode_fields("JourneyRow", wrong)))
        spoiled.append(Raw(CHANGELOG, number, b"jmade-up", rows[0][1]))
        own = CODEC.decode(latest[PARTITION_KEY])
        spoiled.append(Raw(CHANGELOG, number, PARTITION_KEY, CODEC.encode(own._replace(clock=own.clock + 90 * DAY))))
    await write(settings, spoiled)


async def delete(settings: Settings) -> None:
    """Delete the changelog."""
    async with admin(settings) as client:
        await client.delete_topics([CHANGELOG])


@pytest.mark.parametrize("harm", [damage, delete], ids=["damaged", "deleted"])
def test_a_worker_goes_on_with_a_rebuilt_table(settings, workers, harm, tmp_path):
    """Nothing missing, extra or different, and nothing published twice; rows on its disk are not used."""
    first = workers.start(settings)
    first.wait_until_logged("restored: partitions [")
    morning(settings)
    workers.wait_until_applied(settings)
    assert checked(settings).ok, "also while a worker is at work"
    refused = journeys("check", "--rebuild", "--bootstrap-servers", settings.bootstrap_servers, cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("journeys: the group journeys has 1 members (")
    assert checked(settings).ok, "a refused rebuild drops nothing"
    first.stop()
    asyncio.run(harm(settings))
    if harm is damage:
        assert not checked(settings).ok
    report = rebuilt(settings)
    assert report.never_committed == []
    again = workers.start(settings)
    again.wait_until_logged("restored: partitions [")
    assert (
        "rows kept here are thrown away and the changelog is read, because they are of another changelog" in again.log
    )
    evening(settings)
    workers.wait_until_applied(settings)
    assert checked(settings).ok
    again.stop()
    verify, _ = verified(settings)
    assert verify.abandonments.equal == len(JOURNEYS) + len(JOURNEYS) // 10
    assert verify.abandonments.duplicates + verify.lifecycle.duplicates == 0


class PowerCutError(Exception):
    """Ends a rebuild in the middle."""


def test_a_rebuild_that_breaks_off_harms_nothing(settings, workers, monkeypatch):
    """With the rows of a partition written and not its own, and others not begun: a worker does what is left again."""
    first = workers.start(settings)
    morning(settings)
    workers.wait_until_applied(settings)
    first.stop()

    def cut(partition, codec):
        if partition.number == 1:
            raise PowerCutError
        return stored_partition(partition, codec)

    stored_partition = table_rebuild.stored_partition
    monkeypatch.setattr(table_rebuild, "stored_partition", cut)
    with pytest.raises(PowerCutError):
        asyncio.run(rebuild_table(settings))
    stored = asyncio.run(read(settings, CHANGELOG))
    own = {number: sum(record.key == PARTITION_KEY for record in records) for number, records in stored.items()}
    assert own == {0: 1, 1: 0, 2: 0, 3: 0}
    assert len(stored[1]) > 50
    assert stored[2] == []

    again = workers.start(settings, store="memory://")
    evening(settings)
    workers.wait_until_applied(settings)
    again.stop()
    verify, _ = verified(settings)
    assert verify.abandonments.equal == len(JOURNEYS) + len(JOURNEYS) // 10
    assert verify.lifecycle.duplicates > 0, "the partitions without a row of their own were done again"
    assert checked(settings).ok
