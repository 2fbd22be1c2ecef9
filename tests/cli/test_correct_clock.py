"""`journeys correct-clock`: a log that a wrong clock has spoilt, of a store and of Kafka."""

import asyncio
import json

import pytest

from journeys.schemas.instants import format_instant
from journeys.schemas.records import ClockCorrected
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.pure_worker import work_through
from tests.fixtures.topic_contents import DAY, START_AT, produce, punctuation, read_inputs, touch
from tests.trainer.store_of_journeys import BEGIN
from tests.trainer.store_of_journeys import DAY as STORE_DAY
from training_orchestrator import JourneyTimeoutManager

from .json_keys import checked

AT = format_instant(START_AT + DAY)


@pytest.fixture
def spoilt(broker, cli, monkeypatch):
    """Settings of a Kafka whose clock was moved by 40 days on the first day; journeys of it were abandoned by that."""
    monkeypatch.setenv("JOURNEYS_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    settings = emptied(broker)
    asyncio.run(produce(settings, [punctuation(0), *(touch(f"j-{n}", 0, 0) for n in range(8)), punctuation(5 * DAY)]))
    asyncio.run(work_through(settings))
    return settings


@pytest.mark.broker
def test_a_topic_is_corrected_and_its_journeys_come_back(spoilt, cli):
    """A dry run changes nothing; a correction is a record in each partition, audited; live, table and replay agree."""
    dry = cli("correct-clock", "--at", AT, "--dry-run", "--json")
    assert dry.exit_code == 0, dry.output
    document = checked("correct-clock", dry.stdout)
    assert (document["at"], document["dry_run"]) == (AT, True)
    assert [one["clock"] for one in document["partitions"]] == [format_instant(START_AT + 5 * DAY)] * 4
    assert sum(one["journeys"] for one in document["partitions"]) == 8
    assert not corrections(spoilt)

    done = cli("correct-clock", "--at", AT, "--requested-by", "ann", "--note", "wrong NTP server")
    assert done.exit_code == 0, done.output
    assert "corrected; workers go on from there" in done.stderr
    assert corrections(spoilt) == [ClockCorrected(START_AT + DAY, "ann", "wrong NTP server")] * 4
    asyncio.run(produce(spoilt, [touch(f"j-{n}", 1, DAY + n) for n in range(8)]))
    asyncio.run(work_through(spoilt))
    verified = json.loads(cli("verify", "--json").stdout)
    assert verified["ok"]
    assert json.loads(cli("check", "--json").stdout)["ok"]
    kinds = [
        (record["kind"], record.get("note")) for record in json.loads(cli("show", "j-1", "--json").stdout)["lifecycle"]
    ]
    assert ("returned", None) in kinds
    assert ("late_touchpoint", None) in [
        (record["kind"], record.get("note")) for record in json.loads(cli("show", "j-0", "--json").stdout)["lifecycle"]
    ]


@pytest.mark.broker
def test_a_topic_of_simulated_time_wants_an_instant(spoilt, cli):
    """Now is no time of it."""
    refused = cli("correct-clock")
    assert (refused.exit_code, corrections(spoilt)) == (2, []), refused.output
    assert "this topic keeps simulated time" in refused.stderr


def corrections(settings):
    """Corrections in the input topic."""
    return [
        record
        for records in asyncio.run(read_inputs(settings)).values()
        for record in records
        if isinstance(record, ClockCorrected)
    ]


def test_a_store_is_corrected_and_opens_for_the_present(cli, tmp_path):
    """Its simulated clock had been years ahead: all was late for ever. The correction is in its log, and audited."""
    store = tmp_path / "store.sqlite3"

    async def touched(at, name):
        async with JourneyTimeoutManager(store_path=store, now=lambda: at) as manager:
            await manager.record_touchpoint("j", touchpoint_id=name, cost=1)
            return await manager.metrics()

    asyncio.run(touched(BEGIN, "t-1"))
    asyncio.run(touched(BEGIN + 5 * STORE_DAY, "t-2"))  # on the first day
    assert asyncio.run(touched(BEGIN + STORE_DAY, "t-3")).late_touchpoints == 1
    at = format_instant(BEGIN + STORE_DAY)
    dry = cli("correct-clock", "--store", str(store), "--at", at, "--dry-run", "--json")
    assert (dry.exit_code, checked("correct-clock", dry.stdout)["partitions"][0]["journeys"]) == (0, 1), dry.output
    assert asyncio.run(touched(BEGIN + STORE_DAY, "t-4")).late_touchpoints == 1
    done = cli("correct-clock", "--store", str(store), "--at", at, "--note", "a wrong clock")
    assert done.exit_code == 0, done.output
    figures = asyncio.run(touched(BEGIN + STORE_DAY + 1, "t-5"))
    assert figures.late_touchpoints == 0
    checked_store = cli("check", "--store", str(store))
    assert checked_store.exit_code == 0, checked_store.output
    assert "audited_correct_clock" in cli("show", "*", "--store", str(store), "--json").stdout


def test_a_live_store_takes_no_future(cli, tmp_path):
    """It would be a dead letter."""
    store = tmp_path / "store.sqlite3"

    async def run():
        async with JourneyTimeoutManager(store_path=store) as manager:
            await manager.record_touchpoint("j", cost=1)

    asyncio.run(run())
    refused = cli("correct-clock", "--store", str(store), "--at", "2999-01-01T00:00:00Z")
    assert refused.exit_code == 2
    assert "--at: 2999-01-01T00:00:00.000Z is not allowed; expected at most" in refused.stderr
    assert cli("correct-clock", "--store", str(store)).exit_code == 0
