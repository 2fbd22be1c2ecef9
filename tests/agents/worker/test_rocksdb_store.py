"""Rows on the worker's disk: complete up to an offset or gone, whatever happens to process, disk or changelog."""

import asyncio
import logging

import pytest

from journeys.agents.kafka.changelog_state import ChangelogState, UnknownChangelogError
from journeys.agents.worker.restore import rocksdb_partition
from journeys.clock import now_ms
from journeys.schemas.catalog import Catalog, own_schemas
from journeys.schemas.codec import Codec
from journeys.schemas.rows import journey_key
from journeys.schemas.topics import TOMBSTONE_LIFE_MS as LIFE_MS
from tests.fixtures.copying_process import WRITE_FOR_EVER, child
from tests.fixtures.local_copies import CHANGELOG, CODEC, answer, begun, journey, kept_rows, opened, tombstone


def test_what_is_put_is_there_after_a_restart(tmp_path):
    """Rows, tombstones and the offset up to which they are complete; the newer of two rows of a key."""
    store = begun(tmp_path)
    assert store.complete_to(0) is None, "a new copy is complete to nothing"
    store.put(0, [journey("a", 1), journey("b", 2)], 11, now_ms())
    store.put(0, [journey("a", 5), tombstone("b", 6)], 13, now_ms())
    store.put(0, [journey("c", 7)], None, now_ms())
    store.put(0, [], 12, now_ms())
    store.close()

    again = opened(tmp_path)
    assert again.complete_to(0) == 13, "it neither grows with rows alone nor goes back"
    assert list(kept_rows(again).values()) == [journey("a", 5), tombstone("b", 6), journey("c", 7)]


def test_nothing_is_put_before_what_is_there_was_read(tmp_path):
    """Rows in memory that did not begin with those on disk may lack any of them, and must not complete them."""
    store = begun(tmp_path)
    store.put(0, [journey("a", 1)], 10, now_ms())
    store.close()
    again = opened(tmp_path)
    again.put(0, [journey("b", 5)], 20, now_ms())
    assert (again.complete_to(0), list(again.rows(0))) == (10, [journey("a", 1)])
    again.put(0, [journey("b", 5)], 20, now_ms())
    assert (again.complete_to(0), list(again.rows(0))) == (20, [journey("a", 1), journey("b", 5)])


def test_many_rows_are_complete_only_with_the_last_of_them(tmp_path):
    """More rows than one write batch holds come back whole."""
    rows = [journey(f"journey-{number:05}", number) for number in range(2 * rocksdb_partition._BATCH_ROWS + 1)]
    store = begun(tmp_path)
    store.put(0, rows, 20_000, now_ms())
    store.close()
    again = opened(tmp_path)
    assert (again.complete_to(0), list(kept_rows(again).values())) == (20_000, rows)


def test_a_partition_that_left_is_found_again_and_others_are_not_touched(tmp_path):
    """Closed when it leaves: nothing is written or read then; what it had waits."""
    store = begun(tmp_path)
    asyncio.run(store.open([0, 1], lambda: answer(CHANGELOG), CODEC.catalog))
    for number in (0, 1):
        list(store.rows(number))
        store.put(number, [journey("a", 1)], 10, now_ms())
    store.close_others([1])
    store.put(0, [journey("a", 2)], 20, now_ms())
    assert (store.complete_to(0), list(store.rows(0))) == (None, [])
    asyncio.run(store.open([0], lambda: answer(CHANGELOG), CODEC.catalog))
    assert (store.complete_to(0), list(store.rows(0))) == (10, [journey("a", 1)])
    assert (store.complete_to(1), list(store.rows(1))) == (10, [journey("a", 1)])


def test_tombstones_are_dropped_after_a_day(tmp_path, monkeypatch):
    """Like in the changelog: a copy does not grow with every journey that ever was."""
    store = begun(tmp_path)
    store.put(0, [tombstone("a", 1), journey("b", 2)], 10, now_ms())
    now = rocksdb_partition.now_ms()
    monkeypatch.setattr(rocksdb_partition, "now_ms", lambda: now + 86_000_000)
    assert list(store.rows(0)) == [tombstone("a", 1), journey("b", 2)]
    monkeypatch.setattr(rocksdb_partition, "now_ms", lambda: now + 87_000_000)
    assert list(store.rows(0)) == [journey("b", 2)]
    monkeypatch.setattr(rocksdb_partition, "now_ms", lambda: now)
    assert list(store.rows(0)) == [journey("b", 2)], "it is deleted, not only left out"


@pytest.mark.parametrize(
    ("age_ms", "why"),
    [
        (
            LIFE_MS - 3_500_000,
            "they were last complete 23.0 hours ago, and the changelog keeps deletions for 24",
        ),
        (40 * LIFE_MS, "they were last complete 960.0 hours ago, and the changelog keeps deletions for 24"),
        (-5_400_000, "they were last complete 1.5 hours from now: a clock was wrong"),
    ],
    ids=["by the margin", "by far", "from the future"],
)
def test_a_copy_that_may_lack_deletions_is_thrown_away(tmp_path, caplog, age_ms, why):
    """What was deleted behind it may have left no trace: one line in the log, and a new copy that works."""
    store = begun(tmp_path)
    store.put(0, [journey("a", 1)], 10, now_ms() - age_ms)
    store.close()
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        again = opened(tmp_path)
    said = f"partition 0: rows kept here are thrown away and the changelog is read, because {why}"
    assert [record.message for record in caplog.records] == [said]
    assert (again.complete_to(0), list(again.rows(0))) == (None, [])
    again.put(0, [journey("b", 2)], 10, now_ms())
    again.close()
    assert opened(tmp_path).complete_to(0) == 10


def test_a_copy_is_as_old_as_the_offset_that_it_is_complete_to(tmp_path):
    """Neither rows alone nor an offset that it has reached before make it younger; in time it is used."""
    now = now_ms()
    store = begun(tmp_path)
    store.put(0, [journey("a", 1)], 10, now - LIFE_MS + 3_700_000)
    store.close()
    again = opened(tmp_path)
    assert again.complete_to(0) == 10, "100 s are left"
    list(again.rows(0))
    again.put(0, [journey("a", 2)], 11, now - LIFE_MS)
    again.put(0, [journey("a", 3)], None, now)
    again.put(0, [], 10, now)
    again.close()
    assert opened(tmp_path).complete_to(0) is None


def test_a_copy_of_before_ages_were_kept_is_thrown_away(tmp_path, caplog):
    """Nobody knows how old it is."""
    store = begun(tmp_path)
    store.put(0, [journey("a", 1)], 10, now_ms())
    store._open[0]._database.delete(rocksdb_partition._AS_OF)
    store.close()
    assert opened(tmp_path).complete_to(0) is None
    assert "it is not known when they were last complete" in caplog.text


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
    store.put(0, [journey("a", 1)], 10, now_ms())
    store.close()
    with caplog.at_level(logging.WARNING):
        again = opened(tmp_path, changelog)
    assert f"partition 0: rows kept here are thrown away and the changelog is read, because {why}" in caplog.text
    assert (again.complete_to(0), list(again.rows(0))) == (None, [])
    again.put(0, [journey("b", 2)], 5, now_ms())
    again.close()
    assert opened(tmp_path, changelog).complete_to(0) == 5


def test_a_copy_that_fits_to_the_last_record_is_used(tmp_path):
    """The changelog's end is the offset behind its last record."""
    store = begun(tmp_path)
    store.put(0, [journey("a", 1)], 10, now_ms())
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
    store.put(0, [journey("a", 1, earlier)], 10, now_ms())
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
    store.put(0, [journey("a", 1)], None, now_ms())
    store.close()
    again = opened(tmp_path)
    assert "their first restore did not end" in caplog.text
    assert (again.complete_to(0), list(again.rows(0))) == (None, [])


def test_without_an_answer_about_the_changelog_nothing_is_used_and_nothing_is_lost(tmp_path, caplog):
    """The worker goes on without a copy; the next one finds it as it was."""
    store = begun(tmp_path)
    store.put(0, [journey("a", 1)], 10, now_ms())
    store.close_others([])

    async def silent() -> ChangelogState:
        raise UnknownChangelogError("Kafka did not answer within 2 s")

    asyncio.run(store.open([0], silent, CODEC.catalog))
    assert "rows kept here are not used, because Kafka did not answer within 2 s" in caplog.text
    store.put(0, [journey("a", 2)], 20, now_ms())
    assert (store.complete_to(0), list(store.rows(0))) == (None, [])
    store.close()
    assert opened(tmp_path).complete_to(0) == 10


def test_each_worker_has_a_folder_of_its_own_and_finds_it_again(tmp_path):
    """The first free one, also when its last holder was killed."""
    first, second = begun(tmp_path), begun(tmp_path)
    first.put(0, [journey("first", 1)], 1, now_ms())
    second.put(0, [journey("second", 2)], 2, now_ms())
    first.close()
    with child(tmp_path, WRITE_FOR_EVER) as process:
        assert process.stdout.readline() == "2\n", "it goes on where the first has left"
        assert opened(tmp_path).complete_to(0) is None, "a third folder while both are taken"
        process.kill()
    again = opened(tmp_path)
    assert again.complete_to(0) >= 2
    assert {row.key for row in again.rows(0)} >= {journey_key("first")}
    assert list(second.rows(0)) == [journey("second", 2)]
