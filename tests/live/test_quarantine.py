"""A record that kills or hangs whoever reads it, in native code: it is skipped for good, and nothing else is."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from journeys.agents.verify.table_check import check_table
from journeys.agents.worker.quarantine import Quarantine
from journeys.schemas.codec import Codec
from journeys.schemas.records import OffsetSkipped
from journeys.schemas.rows import StartRow
from journeys.schemas.topics import DEAD_LETTERS, JOURNEY_EVENTS
from journeys.streams.partition.state import Partition
from journeys.streams.stored.stored_row import StoredRow
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.left_out import left_out
from tests.fixtures.topic_contents import HOUR, Raw, home, punctuation, touch, write

from .topic_exchange import append, published
from .verified import verified

pytestmark = [pytest.mark.broker, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
# What a defect in native code does; Python runs this file at the start of each process that has its folder in its path.
DEFECT = """
import os, re
from journeys.schemas.codec import Codec

decode_input = Codec.decode_input

def deadly(self, value, *rest):
    if value == b"kills":
        os.abort()
    if value == b"hangs":
        re.match(r"(a+)+$", "a" * 60 + "b")  # holds the interpreter, for longer than anybody waits
    return decode_input(self, value, *rest)

Codec.decode_input = deadly
"""


@pytest.fixture
def defect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every worker started from now on has a defect; so have the processes that it starts."""
    folder = tmp_path / "defect"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(DEFECT)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_a_record_that_kills_whoever_reads_it_is_skipped_by_the_fifth(broker, workers, defect, monkeypatch):
    """By whichever worker comes: the count is in the table. Live, replay and table agree about it."""
    settings = emptied(broker)
    append(settings, punctuation(0), touch("a", 1, HOUR))
    asyncio.run(write(settings, [Raw(JOURNEY_EVENTS, home("a"), b"a", b"kills")]))
    append(settings, touch("a", 2, 2 * HOUR))
    for _ in range(4):
        worker = workers.start(settings)
        assert worker.exit_code(60) == -signal.SIGABRT, worker.told("did not die of it")
    fifth = workers.start(settings)
    fifth.wait_until_logged("is skipped for good: it ended 4 workers and two trials: the process ended with -6")
    workers.wait_until_applied(settings)
    fifth.stop()
    monkeypatch.delenv("PYTHONPATH")
    (letter,) = published(settings, DEAD_LETTERS)
    assert "is skipped by the mark at offset" in letter.reason
    report, _ = verified(settings)
    assert (report.counts.applied, report.counts.dead) == (2, 1)
    assert asyncio.run(check_table(settings)).ok


class Marks:
    """Stands for the mark keeper of a worker; what is skipped is noted."""

    def __init__(self) -> None:
        self.appended: list[OffsetSkipped] = []

    def looked_to(self, _: int) -> int:
        """Say that there are records."""
        return 1_000

    async def append(self, _: int, marks: list[OffsetSkipped]) -> None:
        """Note the marks."""
        self.appended += marks


class Rows:
    """Stands for the outbox of a worker."""

    def __init__(self) -> None:
        self.written: list[StoredRow] = []

    async def write_rows(self, _: int, rows: list[StoredRow]) -> None:
        """Note the rows."""
        self.written += rows


def begin(settings, number: int, starts: int | None, position: int = 0) -> tuple[Marks, Rows]:
    """Begin with a partition where so many workers have begun at a position."""
    partition = Partition(number, 4)
    partition.applied_offset = position - 1
    partition.started = None if starts is None else StartRow(0, starts)
    marks, rows = Marks(), Rows()
    asyncio.run(Quarantine(settings, marks, rows).begin(partition))
    return marks, rows


def test_records_that_come_through_are_not_skipped(broker, caplog):
    """However often workers were killed there from outside: a bad record is a dead letter, and ends nobody."""
    settings = emptied(broker)
    append(settings, punctuation(0), *(touch("a", number, number * HOUR) for number in range(1, 50)))
    asyncio.run(write(settings, [Raw(JOURNEY_EVENTS, home("a"), b"a", b"junk")]))
    marks, rows = begin(settings, home("a"), 4)
    assert marks.appended == []
    assert [Codec().decode(row.value) for row in rows.written] == [StartRow(0, 5)]
    assert "no record from offset 0 on ends a trial: nothing is skipped" in caplog.text


@pytest.mark.parametrize(("starts", "position"), [(None, 0), (3, 0), (5, 0), (4, 1)])
def test_nothing_is_tried_that_others_did_not_fail_at(broker, starts, position, caplog):
    """At the first four starts, at most later ones, and where the last worker got past its beginning."""
    _, rows = begin(emptied(broker), 0, starts, position)
    assert [Codec().decode(row.value) for row in rows.written] == [
        StartRow(position, 1 if position else (starts or 0) + 1)
    ]
    assert "tried" not in caplog.text


@pytest.mark.skipif("JOURNEYS_TEST_LONG" not in os.environ, reason=left_out("long"))
def test_a_record_that_hangs_is_skipped(broker, defect, monkeypatch):
    """Twice it holds the interpreter for half a minute."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ['PYTHONPATH']}")
    settings = emptied(broker)
    asyncio.run(write(settings, [Raw(JOURNEY_EVENTS, home("a"), b"a", b"hangs")]))
    marks, _ = begin(settings, home("a"), 4)
    assert [(mark.offset, "no end within 30 s" in mark.reason) for mark in marks.appended] == [(0, True)]
