"""`journeys check --store`: rows and outputs next to what the store's own input makes."""

import asyncio
import sqlite3

import pytest

from journeys.schemas.codec import Codec
from journeys.schemas.records import JourneyAbandoned
from journeys.schemas.topics import JOURNEY_ABANDONMENTS
from tests.trainer.store_of_journeys import ManualClock, fill
from tests.trainer.stored import outputs
from training_orchestrator import JourneyTimeoutManager

COUNT = 40


@pytest.fixture
def store(tmp_path):
    """Give a store of 40 abandonments, 8 returns and 4 conversions, whose manager has stopped."""
    path = tmp_path / "journeys.sqlite3"
    asyncio.run(fill(path, COUNT, ManualClock()))
    return path


def change(store, *statements):
    """Change the file behind its manager's back."""
    with sqlite3.connect(store) as connection:
        for statement in statements:
            connection.execute(*([statement] if isinstance(statement, str) else statement))


def cells(stdout):
    """Counts of both tables, by the name of their row."""
    rows = (line.split("│") for line in stdout.splitlines() if "│" in line)
    return {name.strip(): [int(each) for each in counts] for name, *counts in rows}


def checked(cli, store):
    """Exit code, counts, and the text below the tables."""
    result = cli("check", "--store", str(store))
    assert result.stderr == ""
    return result.exit_code, cells(result.stdout), result.stdout.splitlines()[-1]


def test_what_a_manager_leaves_is_what_its_log_makes(cli, store):
    """Rows and outputs, by the audit record of an earlier check, too."""
    for _ in range(2):
        code, counts, _ = checked(cli, store)
        assert code == 0
        assert counts == {
            "journeys": [COUNT, 0, 0, 0, 0],
            "policies": [2, 0, 0, 0, 0],
            "partitions": [1, 0, 0, 0, 0],
            "marks": [0, 0, 0, 0, 0],
            "journey-abandonments": [COUNT, 0, 0, 0, 0],
            "journey-lifecycle": [COUNT + COUNT // 5 + COUNT // 10, 0, 0, 0, 0],
            "journey-events.dead-letter": [0, 0, 0, 0, 0],
        }


def test_an_abandonment_that_is_gone_is_missing(cli, store):
    """A feed would not give it."""
    gone = next(each for each in outputs(store) if isinstance(each, JourneyAbandoned))
    change(store, ("DELETE FROM output WHERE value = ?", (Codec().encode(gone),)))
    code, counts, said = checked(cli, store)
    assert (code, counts["journey-abandonments"]) == (1, [COUNT - 1, 1, 0, 0, 0])
    assert said.startswith(f"abandonment {gone.abandonment_id} of {gone.journey_id} ")


def test_a_penalty_that_was_changed_is_different(cli, store):
    """By field and value."""
    record = next(each for each in outputs(store) if isinstance(each, JourneyAbandoned))
    codec = Codec()
    wrong = codec.encode(record._replace(total_penalty_micros=7))
    change(store, ("UPDATE output SET value = ? WHERE value = ?", (wrong, codec.encode(record))))
    code, counts, said = checked(cli, store)
    assert (code, counts["journey-abandonments"]) == (1, [COUNT - 1, 0, 0, 1, 0])
    assert f"total_penalty_micros is 7, the replay says {record.total_penalty_micros}" in said


def test_what_stands_there_twice_is_no_store_of_a_manager(cli, store):
    """Reported as a duplicate after its twin, as extra if another record's outputs are between them."""
    columns = '"offset", topic, kind, detected_at, value'
    copied = f"INSERT INTO output ({columns}) SELECT {columns} FROM output WHERE sequence ="
    change(store, f"{copied} (SELECT max(sequence) FROM output)")
    code, counts, _ = checked(cli, store)
    assert code == 1
    assert sum(row[4] for name, row in counts.items() if name.startswith("journey-")) == 1


def test_what_no_record_brought_about_is_extra(cli, store):
    """Behind the end of the log, or under another name."""
    record = next(each for each in outputs(store) if isinstance(each, JourneyAbandoned))
    made_up = Codec().encode(record._replace(abandonment_id="00" * 16))
    change(
        store,
        (
            'INSERT INTO output ("offset", topic, kind, detected_at, value) VALUES (0, ?, ?, 0, ?)',
            (JOURNEY_ABANDONMENTS, "abandoned", made_up),
        ),
        'UPDATE output SET "offset" = 1000000 WHERE sequence = (SELECT max(sequence) FROM output)',
    )
    code, counts, said = checked(cli, store)
    assert (code, counts["journey-abandonments"]) == (1, [COUNT, 0, 1, 0, 0])
    assert "the replay does not give it" in said


@pytest.mark.parametrize("cut", [0, 1, 25, 60])
def test_what_a_crash_cuts_off_is_not_missing(cli, store, cut):
    """Rows are of the beginning, outputs of a while later: the next start makes up for the rest, and check agrees."""
    change(
        store,
        "DELETE FROM row",
        f'DELETE FROM output WHERE "offset" >= (SELECT "offset" FROM output ORDER BY sequence LIMIT 1 OFFSET {cut})',
    )
    assert checked(cli, store)[0] == 0

    async def start():
        async with JourneyTimeoutManager(store_path=store, now=lambda: ManualClock().at + 8 * 86_400_000):
            pass

    asyncio.run(start())
    code, counts, _ = checked(cli, store)
    assert (code, counts["journeys"][:2]) == (0, [COUNT, 0])


def test_rows_that_stand_behind_outputs_that_are_not_there_are_told(cli, store):
    """Stored in one step with them, they can't be: no start would make up for it."""
    change(store, "DELETE FROM output")
    code, counts, _ = checked(cli, store)
    assert (code, counts["journey-abandonments"]) == (1, [0, COUNT, 0, 0, 0])


def test_while_a_manager_works_its_outputs_may_be_behind(cli, store):
    """What it could not store yet is not missing."""
    clock = ManualClock()
    clock.at += 8 * 86_400_000

    async def run():
        async with JourneyTimeoutManager(store_path=store, now=clock) as manager:
            await manager.record_touchpoint("new", cost=1)
            change(
                store,
                "CREATE TRIGGER full BEFORE INSERT ON output WHEN NEW.kind = 'abandoned' "
                "BEGIN SELECT RAISE(ABORT, 'full'); END",
            )
            await manager.mark_abandoned("new")
            during = await asyncio.to_thread(checked, cli, store)
            change(store, "DROP TRIGGER full")
        return during

    during = asyncio.run(run())
    assert (during[0], during[1]["journey-abandonments"]) == (0, [COUNT, 0, 0, 0, 0])
    code, counts, _ = checked(cli, store)
    assert (code, counts["journey-abandonments"]) == (0, [COUNT + 1, 0, 0, 0, 0])


def test_a_file_of_an_earlier_release_is_not_judged(cli, store):
    """Its outputs have no place in the input yet."""
    change(store, 'ALTER TABLE output RENAME COLUMN "offset" TO output_id', "PRAGMA user_version=1")
    result = cli("check", "--store", str(store))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "start a manager on the file once, which converts it" in result.stderr
