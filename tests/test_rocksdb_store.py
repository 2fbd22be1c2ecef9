"""Rows on the worker's disk: complete up to an offset or gone, whatever happens to process, disk or changelog."""

import asyncio
import logging
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agents import rocksdb_partition
from agents.changelog_state import ChangelogState, UnknownChangelogError
from agents.local_copy import DamagedCopyError
from agents.operation_error import OperationError
from agents.rocksdb_store import RocksdbStore
from agents.worker_slot import WorkerSlot
from schemas.catalog import Catalog, own_schemas
from schemas.codec import Codec
from schemas.rows import PARTITION_KEY, PartitionRow, PolicyRow, journey_key, policy_key
from streams.partition import Partition
from streams.policy import DEFAULT_POLICY
from streams.row import Row
from streams.table import Restore, StoredRow

ROOT = Path(__file__).parent.parent
CODEC = Codec()
CHANGELOG = ChangelogState("6T5eRJ2sQ0mVq9aJ", {0: 1_000_000, 1: 1_000_000})


def opened(folder: Path, changelog: ChangelogState = CHANGELOG, catalog: Catalog | None = None) -> RocksdbStore:
    """Store with partition 0 open, as far as it can be."""
    store = RocksdbStore(WorkerSlot(folder))
    asyncio.run(store.open([0], lambda: answer(changelog), catalog or CODEC.catalog))
    return store


def begun(folder: Path, changelog: ChangelogState = CHANGELOG, catalog: Catalog | None = None) -> RocksdbStore:
    """Store with partition 0 open and read, as far as it can be."""
    store = opened(folder, changelog, catalog)
    list(store.rows(0))
    return store


async def answer(changelog: ChangelogState) -> ChangelogState:
    """What Kafka says of the changelog."""
    return changelog


def journey(name: str, offset: int, codec: Codec = CODEC) -> StoredRow:
    """Row of a journey as of an input offset; its content tells the offset, too."""
    row = Row(name, DEFAULT_POLICY)
    row.offset = row.record_offset = row.total_cost_micros = offset
    return StoredRow(journey_key(name), codec.encode_fields("JourneyRow", row.stored()), offset)


def tombstone(name: str, offset: int) -> StoredRow:
    """Deletion of a journey at an input offset."""
    return StoredRow(journey_key(name), None, offset)


def kept_rows(store: RocksdbStore) -> dict[bytes, StoredRow]:
    """Rows of partition 0 by key."""
    return {row.key: row for row in store.rows(0)}


def test_what_is_put_is_there_after_a_restart(tmp_path):
    """Rows, tombstones and the offset up to which they are complete; the newer of two rows of a key."""
    store = begun(tmp_path)
    assert store.complete_to(0) is None, "a new copy is complete to nothing"
    store.put(0, [journey("a", 1), journey("b", 2)], 11)
    store.put(0, [journey("a", 5), tombstone("b", 6)], 13)
    store.put(0, [journey("c", 7)], None)
    store.put(0, [], 12)
    store.close()

    again = opened(tmp_path)
    assert again.complete_to(0) == 13, "it neither grows with rows alone nor goes back"
    assert list(kept_rows(again).values()) == [journey("a", 5), tombstone("b", 6), journey("c", 7)]


def test_nothing_is_put_before_what_is_there_was_read(tmp_path):
    """Rows in memory that did not begin with those on disk may lack any of them, and must not complete them."""
    store = begun(tmp_path)
    store.put(0, [journey("a", 1)], 10)
    store.close()
    again = opened(tmp_path)
    again.put(0, [journey("b", 5)], 20)
    assert (again.complete_to(0), list(again.rows(0))) == (10, [journey("a", 1)])
    again.put(0, [journey("b", 5)], 20)
    assert (again.complete_to(0), list(again.rows(0))) == (20, [journey("a", 1), journey("b", 5)])


def test_many_rows_are_complete_only_with_the_last_of_them(tmp_path):
    """More rows than one write batch holds come back whole."""
    rows = [journey(f"journey-{number:05}", number) for number in range(2 * rocksdb_partition._BATCH_ROWS + 1)]
    store = begun(tmp_path)
    store.put(0, rows, 20_000)
    store.close()
    again = opened(tmp_path)
    assert (again.complete_to(0), list(kept_rows(again).values())) == (20_000, rows)


def test_a_partition_that_left_is_found_again_and_others_are_not_touched(tmp_path):
    """Closed when it leaves: nothing is written or read then; what it had waits."""
    store = begun(tmp_path)
    asyncio.run(store.open([0, 1], lambda: answer(CHANGELOG), CODEC.catalog))
    for number in (0, 1):
        list(store.rows(number))
        store.put(number, [journey("a", 1)], 10)
    store.close_others([1])
    store.put(0, [journey("a", 2)], 20)
    assert (store.complete_to(0), list(store.rows(0))) == (None, [])
    asyncio.run(store.open([0], lambda: answer(CHANGELOG), CODEC.catalog))
    assert (store.complete_to(0), list(store.rows(0))) == (10, [journey("a", 1)])
    assert (store.complete_to(1), list(store.rows(1))) == (10, [journey("a", 1)])


def test_tombstones_are_dropped_after_a_day(tmp_path, monkeypatch):
    """Like in the changelog: a copy does not grow with every journey that ever was."""
    store = begun(tmp_path)
    store.put(0, [tombstone("a", 1), journey("b", 2)], 10)
    now = rocksdb_partition.time()
    monkeypatch.setattr(rocksdb_partition, "time", lambda: now + 86_000)
    assert list(store.rows(0)) == [tombstone("a", 1), journey("b", 2)]
    monkeypatch.setattr(rocksdb_partition, "time", lambda: now + 87_000)
    assert list(store.rows(0)) == [journey("b", 2)]
    monkeypatch.setattr(rocksdb_partition, "time", lambda: now)
    assert list(store.rows(0)) == [journey("b", 2)], "it is deleted, not only left out"


@pytest.mark.parametrize(
    ("changelog", "why"),
    [
        (CHANGELOG._replace(topic_id="another"), "they are of another changelog"),
        (CHANGELOG._replace(ends={0: 1_000_000}), "they are of another changelog"),
        (CHANGELOG._replace(ends={0: 10, 1: 10}), "they are of offset 10, and the changelog ends at 10"),
    ],
    ids=["created anew", "other partition count", "cut"],
)
def test_a_copy_of_another_changelog_is_thrown_away(tmp_path, caplog, changelog, why):
    """With a line in the log, and a new copy in its place that works."""
    store = begun(tmp_path)
    store.put(0, [journey("a", 1)], 10)
    store.close()
    with caplog.at_level(logging.WARNING):
        again = opened(tmp_path, changelog)
    assert f"partition 0: rows kept here are thrown away and the changelog is read, because {why}" in caplog.text
    assert (again.complete_to(0), list(again.rows(0))) == (None, [])
    again.put(0, [journey("b", 2)], 5)
    again.close()
    assert opened(tmp_path, changelog).complete_to(0) == 5


def test_a_copy_that_fits_to_the_last_record_is_used(tmp_path):
    """The changelog's end is the offset behind its last record."""
    store = begun(tmp_path)
    store.put(0, [journey("a", 1)], 10)
    store.close()
    assert opened(tmp_path, CHANGELOG._replace(ends={0: 11, 1: 0})).complete_to(0) == 10


def under_id_7(schema: dict) -> Codec:
    """Codec of a registry that gave a schema the id 7; it writes journey rows under that id."""
    catalog = Catalog()
    catalog.use_id("JourneyRow", 7)
    catalog.add(7, schema)
    return Codec(catalog)


@pytest.mark.parametrize("later", [CODEC, under_id_7(own_schemas()["PartitionRow"])], ids=["unknown", "another one"])
def test_rows_of_a_schema_that_is_not_known_any_more_are_thrown_away(tmp_path, caplog, later):
    """A worker of another version, or a registry that gives ids anew, must not decode them."""
    earlier = under_id_7(own_schemas()["JourneyRow"])
    store = begun(tmp_path, catalog=earlier.catalog)
    store.put(0, [journey("a", 1, earlier)], 10)
    store.close()
    known = opened(tmp_path, catalog=earlier.catalog)
    assert known.complete_to(0) == 10
    known.close()
    again = opened(tmp_path, catalog=later.catalog)
    assert "the schema 7 of some of them is not known here, or is another one now" in caplog.text
    assert (again.complete_to(0), list(again.rows(0))) == (None, [])


def test_a_first_restore_that_was_cut_short_begins_again(tmp_path, caplog):
    """Rows without an offset up to which they are complete are no beginning."""
    store = begun(tmp_path)
    store.put(0, [journey("a", 1)], None)
    store.close()
    again = opened(tmp_path)
    assert "their first restore did not end" in caplog.text
    assert (again.complete_to(0), list(again.rows(0))) == (None, [])


def test_without_an_answer_about_the_changelog_nothing_is_used_and_nothing_is_lost(tmp_path, caplog):
    """The worker goes on without a copy; the next one finds it as it was."""
    store = begun(tmp_path)
    store.put(0, [journey("a", 1)], 10)
    store.close_others([])

    async def silent() -> ChangelogState:
        raise UnknownChangelogError("Kafka did not answer within 2 s")

    asyncio.run(store.open([0], silent, CODEC.catalog))
    assert "rows kept here are not used, because Kafka did not answer within 2 s" in caplog.text
    store.put(0, [journey("a", 2)], 20)
    assert (store.complete_to(0), list(store.rows(0))) == (None, [])
    store.close()
    assert opened(tmp_path).complete_to(0) == 10


def spoil(folder: Path, pattern: str) -> None:
    """Overwrite the middle of every file that matches."""
    files = list((folder / "worker-1" / "0").glob(pattern))
    assert files, f"no {pattern}"
    for path in files:
        content = bytearray(path.read_bytes())
        content[len(content) // 4 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 4)
        path.write_bytes(content)


def test_a_damaged_database_is_thrown_away_when_it_is_opened(tmp_path, caplog):
    """RocksDB's own list of files can't be read: a new copy."""
    store = begun(tmp_path)
    store.put(0, [journey("a", 1)], 10)
    store.close()
    spoil(tmp_path, "MANIFEST-*")
    again = opened(tmp_path)
    assert "because they can't be read (Corruption: " in caplog.text
    assert (again.complete_to(0), list(again.rows(0))) == (None, [])


def test_damaged_rows_are_noticed_where_they_are_read(tmp_path):
    """They raise, and never look like the end of the rows; the copy is gone, so that a restart can do without."""
    store = begun(tmp_path)
    store.put(0, [journey(f"journey-{number}", number) for number in range(20_000)], 30_000)
    store.close()
    spoil(tmp_path, "*.sst")
    damaged = opened(tmp_path)
    assert damaged.complete_to(0) == 30_000
    with pytest.raises(DamagedCopyError, match="partition 0: rows kept here were damaged and are gone"):
        list(damaged.rows(0))
    damaged.close()
    assert opened(tmp_path).complete_to(0) is None


CHILD = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
from pathlib import Path
from test_rocksdb_store import begun, journey
store = begun(Path({folder!r}))
"""
WRITE_FOR_EVER = """
offset = store.complete_to(0) or 0
while True:
    offset += 1
    store.put(0, [journey(f"journey-{number}", offset) for number in range(500)], offset)
    print(offset, flush=True)
"""
FILL_THE_DISK = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
for offset in range(200):
    store.put(0, [journey(f"journey-{number}", offset) for number in range(100)], offset)
print(store.complete_to(0), list(store.rows(0)))
"""


def child(folder: Path, code: str) -> subprocess.Popen:
    """Start a process that holds a store of its own."""
    begin = CHILD.format(tests=str(ROOT / "tests"), root=str(ROOT), folder=str(folder))
    return subprocess.Popen([sys.executable, "-c", begin + code], stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_kill_in_mid_write_leaves_rows_and_offset_of_one_write(tmp_path):
    """At random: all rows are of the offset that the copy is complete to, and nothing that was put is lost."""
    chance = random.Random(4)
    for _ in range(5):
        with child(tmp_path, WRITE_FOR_EVER) as process:
            for _ in range(chance.randrange(1, 30)):
                told = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
        store = begun(tmp_path)
        complete_to = store.complete_to(0)
        assert complete_to is not None
        assert complete_to >= told
        found = list(store.rows(0))
        assert len(found) == 500
        assert {row.offset for row in found} == {complete_to}
        store.close()


def test_a_disk_that_is_full_costs_the_copy_and_not_the_worker(tmp_path, capfd):
    """A line in the log, and it goes on without; the next one finds what the disk has taken."""
    with child(tmp_path, FILL_THE_DISK) as process:
        out, _ = process.communicate()
    assert process.returncode == 0
    assert out == "None []\n"
    assert "partition 0: rows can't be kept here any more" in capfd.readouterr().err
    store = begun(tmp_path)
    complete_to = store.complete_to(0)
    assert complete_to is not None
    assert {row.offset for row in store.rows(0)} == {complete_to}


def test_each_worker_has_a_folder_of_its_own_and_finds_it_again(tmp_path):
    """The first free one, also when its last holder was killed."""
    first, second = begun(tmp_path), begun(tmp_path)
    first.put(0, [journey("first", 1)], 1)
    second.put(0, [journey("second", 2)], 2)
    first.close()
    with child(tmp_path, WRITE_FOR_EVER) as process:
        assert process.stdout.readline() == "2\n", "it goes on where the first has left"
        assert opened(tmp_path).complete_to(0) is None, "a third folder while both are taken"
        process.kill()
    again = opened(tmp_path)
    assert again.complete_to(0) >= 2
    assert {row.key for row in again.rows(0)} >= {journey_key("first")}
    assert list(second.rows(0)) == [journey("second", 2)]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    """What is wrong and which setting it is."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OperationError, match=r"worker-1 can't be written \(Not a directory\): set JOURNEYS_DATA_DIR"):
        WorkerSlot(tmp_path / "file" / "tables")


POLICY = StoredRow(
    policy_key(DEFAULT_POLICY.version),
    CODEC.encode(PolicyRow(0, DEFAULT_POLICY.version, DEFAULT_POLICY.to_json())),
    0,
)


def made_changelog(chance: random.Random) -> list[StoredRow]:
    """Changelog in which stale rows of frozen workers stand behind newer ones."""
    records = [POLICY]
    for offset in range(1, 60):
        written_at = max(1, offset - chance.randrange(1, 20)) if chance.random() < 0.3 else offset
        name = f"journey-{chance.randrange(8)}"
        records.append(tombstone(name, written_at) if chance.random() < 0.2 else journey(name, written_at))
        if chance.random() < 0.3:
            row = PartitionRow(written_at, None, "live", DEFAULT_POLICY.version, 2)
            records.append(StoredRow(PARTITION_KEY, CODEC.encode(row), written_at))
    return records


def restored(kept: list[StoredRow], records: list[StoredRow]) -> tuple[Restore, Partition, list[StoredRow]]:
    """Restore of kept rows and records, the partition that it makes, the rows to write again."""
    restore = Restore(kept)
    for record in records:
        restore.add(*record)
    partition = Partition(0, 2)
    return restore, partition, restore.onto(partition, CODEC)


def content(partition: Partition) -> dict[str, object]:
    """All that a partition was restored to."""
    return {
        "rows": {name: row.stored() for name, row in partition.rows.items()},
        "row": partition.row(),
    }


@pytest.mark.parametrize("seed", range(40))
def test_a_copy_and_the_tail_are_the_whole_changelog(tmp_path, seed):
    """Wherever the cut falls, and whoever wrote stale rows on either side of it: the greatest offset wins."""
    chance = random.Random(seed)
    records = made_changelog(chance)
    cut = chance.randrange(1, len(records))
    restore, _, rewrites = restored([], records[:cut])
    head = records[:cut] + rewrites
    store = begun(tmp_path)
    store.put(0, restore.winners(), None)
    store.put(0, rewrites, len(head) - 1)
    store.close()

    tail = records[cut:]
    _, whole, wanted_rewrites = restored([], head + tail)
    restore, partition, rewrites = restored(list(opened(tmp_path).rows(0)), tail)
    assert content(partition) == content(whole)
    assert sorted(rewrites) == sorted(wanted_rewrites)
    assert restore.read == len(tail)
    assert restore.kept == len({row.key for row in head})


def test_without_the_package_there_is_one_line(tmp_path):
    """A worker that is to keep rows says what to install, before it looks for Kafka, and ends with exit code 2."""
    (tmp_path / "rocksdict.py").write_text("raise ModuleNotFoundError('No module', name='rocksdict')\n")
    settings = {"JOURNEYS_STORE": "rocksdb://", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    command = [sys.executable, "-m", "agents.cli", "worker", "--bootstrap-servers", "127.0.0.1:1"]
    found = subprocess.run(
        command, cwd=tmp_path, env=os.environ | settings, capture_output=True, text=True, check=False
    )
    assert found.returncode == 2
    said = "journeys: this needs the package rocksdict, which is not installed: pip install 'gaelp-journeys[rocksdb]'"
    assert found.stderr == said + "\n"
