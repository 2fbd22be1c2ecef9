"""Workers that keep their rows on disk: a restart reads the changelog's tail, and is never the worse for it."""

import asyncio
import re
from typing import NamedTuple

import pytest

from journeys.agents.kafka.log_reader import open_log
from journeys.agents.settings.settings import Settings
from journeys.agents.worker.restore import rocksdb_partition
from journeys.agents.worker.restore.rocksdb_partition import RocksdbPartition
from journeys.clock import now_ms
from journeys.schemas.catalog import Catalog
from journeys.schemas.codec import Codec
from journeys.schemas.instants import HOUR_MS
from journeys.schemas.rows import journey_key
from journeys.schemas.topics import changelog_name
from journeys.streams.stored.schema_rows import missing_schemas
from journeys.streams.stored.stored_row import row_offset
from tests.fixtures.fresh_kafka import emptied, make_changelog_anew
from tests.fixtures.topic_contents import DAY, HOUR, Raw, punctuation, read, touch, write

from .topic_exchange import append
from .verified import verified
from .worker_process import WorkerProcess, Workers

pytestmark = [pytest.mark.broker, pytest.mark.slow]

PARTITIONS = 4
JOURNEYS = [f"journey-{number}" for number in range(400)]
CHANGELOG = changelog_name("journeys")
SCHEMAS = len(missing_schemas((), Codec()))


class Restored(NamedTuple):
    """What a worker says of a restore: records read from the changelog, stale ones among them, rows from its disk."""

    read: int
    stale: int
    kept: int


@pytest.fixture
def on_disk(broker, tmp_path) -> Settings:
    """Settings with empty topics and an empty folder for rows."""
    return emptied(broker, store="rocksdb://", data_dir=tmp_path / "data", session_timeout_seconds=3)


def restores(worker: WorkerProcess) -> list[Restored]:
    """All restores of a worker so far."""
    found = re.findall(r"(\d+) changelog records \((\d+) stale\)(?: onto (\d+) rows kept here)?, ", worker.log)
    return [Restored(*(int(number or 0) for number in numbers)) for numbers in found]


def restored(worker: WorkerProcess) -> Restored:
    """Wait for a worker's first restore."""
    worker.wait_until_logged("restored: partitions [")
    return restores(worker)[0]


def records_in_changelog(settings: Settings) -> int:
    """Sum of its end offsets: nothing is compacted within a day."""

    async def count() -> int:
        async with open_log(settings, CHANGELOG, catalog=None) as log:
            return sum(log.end_offsets.values())

    return asyncio.run(count())


def morning(settings: Settings) -> None:
    """Append two touchpoints of every journey."""
    append(settings, punctuation(0), *(touch(name, number, number * HOUR) for name in JOURNEYS for number in (1, 2)))


def noon(settings: Settings) -> None:
    """Append a third one of every fourth journey."""
    append(settings, *(touch(name, 3, 20 * HOUR) for name in JOURNEYS[::4]))


def evening(settings: Settings) -> None:
    """Append one of every third journey, then time enough to abandon all of them."""
    append(settings, *(touch(name, 4, 40 * HOUR) for name in JOURNEYS[::3]), punctuation(20 * DAY))


def require_replay(settings: Settings) -> None:
    """Live equals replay, and all journeys were abandoned with what their touchpoints cost."""
    report, _ = verified(settings)
    assert report.abandonments.equal == len(JOURNEYS)
    assert report.counts.late + report.counts.dead + report.counts.refused + report.counts.duplicate == 0


@pytest.mark.parametrize("end", [WorkerProcess.stop, WorkerProcess.kill], ids=["stopped", "killed"])
def test_a_restart_reads_only_the_tail(on_disk, workers, end):
    """What another worker wrote meanwhile, and of each partition once more the record that the rows are complete to."""
    first = workers.start(on_disk)
    morning(on_disk)
    workers.wait_until_applied(on_disk)
    assert restored(first) == (0, 0, 0)
    end(first)
    before = records_in_changelog(on_disk)

    in_memory = workers.start(on_disk, store="memory://")
    noon(on_disk)
    workers.wait_until_applied(on_disk)
    assert restored(in_memory) == (before, 0, 0), "without rows on disk all of it is read"
    in_memory.stop()
    tail = records_in_changelog(on_disk) - before

    again = workers.start(on_disk)
    read_again, stale, kept = restored(again)
    # Behind a kill the last row of a partition may be in the changelog and not yet on the disk.
    assert tail < read_again <= tail + 2 * PARTITIONS
    assert read_again < before / 2
    others = PARTITIONS * (2 + SCHEMAS)
    assert (stale, kept) == (0, len(JOURNEYS) + others), "rows of journeys, of partitions and their starts, of schemas"
    evening(on_disk)
    workers.wait_until_applied(on_disk)
    again.stop()
    require_replay(on_disk)


def test_a_changelog_that_was_created_anew_is_read_from_its_beginning(on_disk, workers):
    """Even when it has grown beyond the offset that the old rows are complete to: they are of another topic."""
    first = workers.start(on_disk)
    morning(on_disk)
    workers.wait_until_applied(on_disk)
    first.stop()
    before = records_in_changelog(on_disk)
    asyncio.run(make_changelog_anew(on_disk))

    in_memory = workers.start(on_disk, store="memory://")
    workers.wait_until_applied(on_disk)
    noon(on_disk)
    workers.wait_until_applied(on_disk)
    in_memory.stop()
    assert records_in_changelog(on_disk) > before

    there = records_in_changelog(on_disk)
    again = workers.start(on_disk)
    assert restored(again) == (there, 0, 0)
    for partition in range(PARTITIONS):
        said = f"partition {partition}: rows kept here are thrown away and the changelog is read, because they are of"
        assert said in again.log
    again.stop()
    once_more = workers.start(on_disk)
    assert restored(once_more).read == 0, "the new rows are kept"
    evening(on_disk)
    workers.wait_until_applied(on_disk)
    once_more.stop()
    require_replay(on_disk)


def let_age(settings: Settings, hours: float) -> None:
    """Make a stopped worker's copies as old as if the machine had been off for so long."""
    for number in range(PARTITIONS):
        copy = RocksdbPartition(settings.data_dir / "tables" / "journeys" / "worker-1" / str(number), Catalog())
        copy._database.put(rocksdb_partition._AS_OF, str(round(now_ms() - hours * HOUR_MS)).encode())
        copy.close()


def test_rows_that_are_older_than_a_tombstone_are_not_believed(on_disk, workers):
    """What was deleted meanwhile may have left no trace in the changelog: one line, and all of it is read."""
    first = workers.start(on_disk)
    morning(on_disk)
    workers.wait_until_applied(on_disk)
    first.stop()
    let_age(on_disk, 25)
    there = records_in_changelog(on_disk)
    again = workers.start(on_disk)
    assert restored(again) == (there, 0, 0)
    why = "they were last complete 25.0 hours ago, and the changelog keeps deletions for 24"
    for number in range(PARTITIONS):
        said = f"partition {number}: rows kept here are thrown away and the changelog is read, because {why}"
        assert again.log.count(said) == 1, again.told("did not say it once")
    noon(on_disk)
    workers.wait_until_applied(on_disk)
    again.stop()
    let_age(on_disk, 22)
    once_more = workers.start(on_disk)
    assert restored(once_more).read <= PARTITIONS, "younger ones are"
    evening(on_disk)
    workers.wait_until_applied(on_disk)
    once_more.stop()
    require_replay(on_disk)


def test_two_workers_share_a_data_directory(on_disk, workers):
    """A folder for each; partitions that come back from a worker that was killed continue with the rows they left."""
    first = workers.start(on_disk)
    first.wait_until_logged("restored: partitions [0, 1, 2, 3]")
    morning(on_disk)
    workers.wait_until_applied(on_disk)
    before = records_in_changelog(on_disk)
    second = workers.start(on_disk)
    second.wait_until_logged("restored: partitions [")
    noon(on_disk)
    workers.wait_until_applied(on_disk)
    second.kill()
    workers.wait_until(lambda: len(restores(first)) == 3, "the partitions did not come back")
    come_back = restores(first)[-1]
    assert come_back.read <= records_in_changelog(on_disk) - before + PARTITIONS
    assert come_back.kept >= len(JOURNEYS) / PARTITIONS

    third = workers.start(on_disk)
    third.wait_until_logged("restored: partitions [")
    evening(on_disk)
    workers.wait_until_applied(on_disk)
    folder = on_disk.data_dir / "tables" / "journeys"
    for worker, slot in ((first, "worker-1"), (second, "worker-2"), (third, "worker-2")):
        assert f"rows are kept in {folder / slot}" in worker.log
    for worker in (first, third):
        worker.stop()
        assert "Traceback" not in worker.log, worker.told("met an error")
    require_replay(on_disk)


def test_a_stale_row_in_the_tail_does_not_win_over_the_rows_on_disk(on_disk, workers: Workers):
    """A frozen worker writes an old row while nobody looks: it is seen, and the newer one stands behind it again."""
    name = JOURNEYS[0]
    first = workers.start(on_disk)
    append(on_disk, punctuation(0), touch(name, 1, HOUR))
    workers.wait_until_applied(on_disk)
    stale = last_row(on_disk, name)
    morning(on_disk)
    workers.wait_until_applied(on_disk)
    newer = last_row(on_disk, name)
    assert row_offset(stale.value) < row_offset(newer.value)
    # Once while it runs, and once while it does not.
    write_again(on_disk, stale)
    append(on_disk, touch(name, 5, 3 * HOUR))
    workers.wait_until_applied(on_disk)
    newer = last_row(on_disk, name)
    assert row_offset(newer.value) > row_offset(stale.value)
    first.kill()
    write_again(on_disk, stale)

    second = workers.start(on_disk)
    assert restored(second).stale >= 1
    workers.wait_until(lambda: last_row(on_disk, name).value == newer.value, "the newer row was not written again")
    second.kill()
    third = workers.start(on_disk)
    assert restored(third).stale == 0, "what was repaired is not read again"
    evening(on_disk)
    workers.wait_until_applied(on_disk)
    third.stop()
    report, _ = verified(on_disk)
    assert report.abandonments.equal == len(JOURNEYS)


def last_row(settings: Settings, name: str) -> Raw:
    """Last record of a journey in the changelog."""
    raws = asyncio.run(read(settings, CHANGELOG))
    found = [record for records in raws.values() for record in records if record.key == journey_key(name)]
    return Raw(CHANGELOG, found[-1].partition, found[-1].key, found[-1].value)


def write_again(settings: Settings, raw: Raw) -> None:
    """Append a record to the changelog, as a worker does that has slept."""
    asyncio.run(write(settings, [raw]))
