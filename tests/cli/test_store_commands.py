"""`journeys show|abandon|extend|check --store`: commands on an embedded store, and their audit records."""

import asyncio
import getpass
import sqlite3

import pytest

from journeys.schemas.codec import Codec
from journeys.schemas.instants import format_instant
from journeys.schemas.records import JourneyLifecycle
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from tests.trainer.store_of_journeys import BEGIN, DAY, ManualClock, fill
from tests.trainer.stored import replayed
from training_orchestrator import AbandonmentFeed, JourneyTimeoutManager

WHY = "asked to by phone"


@pytest.fixture
def store(tmp_path):
    """Give a store of live time with a journey of one touchpoint, whose manager has stopped."""
    path = tmp_path / "live.sqlite3"

    async def run():
        async with JourneyTimeoutManager(store_path=path) as manager:
            await manager.record_touchpoint("journey-1", state="INTENT", cost="2.5")

    asyncio.run(run())
    return path


def outputs(path, topic):
    """Outputs of a topic, in their order."""
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT value FROM output WHERE topic = ? ORDER BY sequence", (topic,)).fetchall()
    return [Codec().decode(value) for (value,) in found]


def audits(path):
    """Who did what to which journey, and why."""
    said = [each for each in outputs(path, JOURNEY_LIFECYCLE) if each.kind.startswith("audited_")]
    return [(each.kind, each.journey_id, each.requested_by, each.note) for each in said]


def test_a_journey_is_shown_extended_and_abandoned_and_each_is_audited(cli, store):
    """As connected: the same texts and exit codes; who, when and why are in the store's lifecycle outputs."""
    shown = cli("show", "journey-1", "--store", str(store), "--note", WHY, "--requested-by", "ann")
    assert shown.exit_code == 0, shown.output
    assert "INTENT" in shown.stdout
    assert "2.50" in shown.stdout
    extended = cli("extend", "journey-1", "--days", "7", "--store", str(store), "--note", WHY, "--requested-by", "ann")
    assert (extended.exit_code, "extended to " in extended.stdout) == (0, True), extended.output
    abandoned = cli("abandon", "journey-1", "--store", str(store), "--note", WHY, "--requested-by", "ann")
    assert (abandoned.exit_code, "MANUAL_TERMINATION" in abandoned.stdout) == (0, True), abandoned.output
    again = cli("abandon", "journey-1", "--store", str(store))
    assert (again.exit_code, "refused: already_abandoned" in again.stdout) == (1, True), again.output
    checked = cli("check", "--store", str(store))
    assert checked.exit_code == 0, checked.output
    assert audits(store) == [
        ("audited_show", "journey-1", "ann", WHY),
        ("audited_extend", "journey-1", "ann", WHY),
        ("audited_abandon", "journey-1", "ann", WHY),
        ("audited_abandon", "journey-1", getpass.getuser(), None),
        ("audited_check", "*", getpass.getuser(), None),
    ]
    (booked,) = outputs(store, JOURNEY_ABANDONMENTS)
    assert (booked.requested_by, booked.note) == ("ann", WHY)
    with AbandonmentFeed.from_store(store, follow=False) as feed:
        assert [item.abandonment_id for item in feed] == [booked.abandonment_id]


def test_a_manager_goes_on_behind_a_hand(cli, store):
    """What a person did is in the log: the manager knows it, and its configuration is brought no second time."""
    assert cli("extend", "journey-1", "--days", "7", "--store", str(store)).exit_code == 0

    async def run():
        async with JourneyTimeoutManager(store_path=store) as manager:
            return await manager.extend_timeout("journey-1", 1), manager.present()

    assert cli("show", "journey-1", "--store", str(store)).exit_code == 0
    deadline, present = asyncio.run(run())
    assert (deadline - present).days == 14 + 7 + 1 - 1
    assert cli("check", "--store", str(store)).exit_code == 0
    said = [each for each in outputs(store, JOURNEY_LIFECYCLE) if not each.kind.startswith("audited_")]
    assert said == [each for each in replayed(store) if isinstance(each, JourneyLifecycle)]


def test_while_a_manager_holds_the_file_it_is_read_and_not_commanded(cli, store):
    """`show` and `check` work, with the latest records; a command is refused and names the manager."""

    async def run():
        async with JourneyTimeoutManager(store_path=store) as manager:
            await manager.record_touchpoint("journey-1", cost="4")
            return [
                await asyncio.to_thread(cli, *words, "--store", str(store))
                for words in (("show", "journey-1"), ("check",), ("abandon", "journey-1"))
            ]

    shown, checked, refused = asyncio.run(run())
    assert (shown.exit_code, "6.50" in shown.stdout) == (0, True), shown.output
    assert checked.exit_code == 0, checked.output
    assert refused.exit_code == 2
    assert refused.stderr == f"journeys: {store}: another manager is using this file; stop it, or use another file\n"
    assert [kind for kind, *_ in audits(store)] == ["audited_show", "audited_check"]


def test_a_file_of_an_earlier_release_is_taken_over_first(cli, store):
    """It has no place for an audit record yet: nothing is shown, and exit code 2 with what to do."""
    with sqlite3.connect(store) as connection:
        connection.execute("PRAGMA user_version=1")
    shown = cli("show", "journey-1", "--store", str(store))
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert "start a manager on the file once, which converts it" in shown.stderr
    assert cli("extend", "journey-1", "--days", "7", "--store", str(store)).exit_code == 0
    assert cli("show", "journey-1", "--store", str(store)).exit_code == 0


def test_check_finds_a_row_that_the_log_does_not_make(cli, store):
    """A row that somebody altered: exit code 1, and the difference in words."""
    codec = Codec()
    with sqlite3.connect(store) as connection:
        key, value = connection.execute('SELECT "key", value FROM row WHERE "key" >= x\'6a\'  LIMIT 1').fetchone()
        _, fields = codec.decode_fields(value)
        wrong = codec.encode_fields("JourneyRow", fields | {"touchpoint_count": 77})
        connection.execute('UPDATE row SET value = ? WHERE "key" = ?', (wrong, key))
    result = cli("check", "--store", str(store))
    assert result.exit_code == 1
    assert "journey journey-1: touchpoint_count" in result.stdout


def test_a_store_of_simulated_time_asks_for_the_instant(cli, tmp_path):
    """Now is no instant there; with --at the command is applied, and the clock stays where it was."""
    path, clock = tmp_path / "simulated.sqlite3", ManualClock()
    asyncio.run(fill(path, 10, clock))
    asked = cli("abandon", "journey-00005", "--store", str(path))
    assert (asked.exit_code, "keeps simulated time" in asked.stderr) == (2, True), asked.output
    at = format_instant(clock.at)
    done = cli("abandon", "journey-00005", "--store", str(path), "--at", at)
    assert (done.exit_code, f"abandoned at {at}" in done.stdout) == (0, True), done.output
    shown = cli("show", "journey-00005", "--store", str(path))
    assert f"clock {at}" in shown.stdout
    assert clock.at == BEGIN + 7 * DAY


def test_what_is_not_there_is_said(cli, store, tmp_path):
    """A store that is missing is not made; an unknown journey is exit code 1, wrong words are exit code 2."""
    missing = tmp_path / "none.sqlite3"
    for words in (("show", "journey-1"), ("check",), ("abandon", "journey-1")):
        result = cli(*words, "--store", str(missing))
        assert (result.exit_code, result.stderr) == (2, f"journeys: {missing}: there is no such store\n")
    assert not missing.exists()
    assert cli("show", "nobody", "--store", str(store)).exit_code == 1
    assert cli("abandon", "nobody", "--store", str(store)).exit_code == 1
    assert cli("check", "--rebuild", "--store", str(store)).exit_code == 2
    assert cli("show", "journey-1", "--store", str(store), "--note", "x" * 10_001).exit_code == 2
