"""The journey table between Faust's restore and rebalances: what is taken for restored, and what is read again."""

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace

import pytest
from faust.types import TP

from journeys.agents.settings.settings import Settings
from journeys.agents.worker.app import JourneyApp, create_app
from journeys.agents.worker.restore.rocksdb_store import RocksdbStore
from journeys.agents.worker.restore.worker_slot import WorkerSlot
from journeys.clock import now_ms
from journeys.schemas.catalog import Catalog
from journeys.schemas.rows import is_schema
from journeys.streams.partition.state import Partition
from journeys.streams.stored.schema_rows import missing_schemas
from journeys.streams.stored.stored_row import StoredRow
from tests.fixtures.local_copies import CHANGELOG, answer, journey


@pytest.fixture
def app(tmp_path) -> JourneyApp:
    """Worker's app that is not started, with partition 0 assigned: its copy is of 2 journeys, complete to offset 10."""
    settings = Settings(_env_file=None, data_dir=tmp_path)
    copy = RocksdbStore(WorkerSlot(tmp_path / "tables"))
    app = create_app(settings, {"bootstrap_servers": "127.0.0.1:1"}, 2, Catalog(), local_copy=copy)
    app.store._changelog = lambda: answer(CHANGELOG)
    app.marks.read = no_marks
    app.quarantine.begin = no_note
    app.consumer_generation_id = 7
    asyncio.run(copy.open([0], app.store._changelog, app.codec.catalog))
    list(copy.rows(0))
    copy.put(0, [journey("a", 1), journey("b", 2), *missing_schemas((), app.codec)], 10, now_ms())
    copy.close_others([])
    asyncio.run(assign(app, 0))
    return app


async def no_marks(partitions: Iterable[int]) -> None:
    """Read no marks: there is no Kafka here."""


async def no_note(partition: Partition) -> None:
    """Note no start: there is no Kafka here."""


def changelog(number: int) -> TP:
    """Partition of the changelog."""
    return TP("journeys-journeys-changelog", number)


async def assign(app: JourneyApp, *numbers: int) -> None:
    """Do what Faust does at the end of a rebalance."""
    assigned = {changelog(number) for number in numbers}
    await app.store.on_rebalance(assigned, set(), set(), app.consumer_generation_id)
    recovery = app.tables.recovery
    recovery.active_tps.clear()
    for tp in assigned:
        recovery.add_active(app.table, tp)


def fetched(rows: list[StoredRow], last_offset: int, generation_id: int = 7, number: int = 0) -> SimpleNamespace:
    """One fetch of the changelog."""
    records = [SimpleNamespace(key=row.key, value=row.value, headers=()) for row in rows]
    message = SimpleNamespace(partition=number, offset=last_offset, value=records, generation_id=generation_id)
    return SimpleNamespace(message=message)


def read(app: JourneyApp, *events: SimpleNamespace) -> None:
    """Do what Faust does with fetches while it restores."""
    for event in events:
        app.tables.recovery.active_offsets[changelog(event.message.partition)] = event.message.offset
        app.tables.recovery.buffers[app.table].append(event)


def complete(app: JourneyApp, *numbers: int, highwater: int) -> None:
    """Tell the store that these partitions are restored, up to the last record that their changelogs held."""
    for number in numbers:
        app.tables.recovery.active_highwaters[changelog(number)] = highwater
    asyncio.run(app.store.on_recovery_completed({changelog(number) for number in numbers}, set()))


def journeys(app: JourneyApp, number: int = 0) -> dict[str, int]:
    """Journeys of a restored partition, with the offset of each row."""
    return {name: row.offset for name, row in app.store.processors[number].partition.rows.items()}


def test_a_restore_begins_with_the_copy_and_reads_from_where_it_ends(app):
    """And then the copy is complete to the changelog's end."""
    assert app.tables.recovery.active_offsets[changelog(0)] == 10
    read(app, fetched([journey("b", 2), journey("b", 5)], 11), fetched([journey("c", 6)], 12))
    complete(app, 0, highwater=12)
    assert journeys(app) == {"a": 1, "b": 5, "c": 6}
    assert app.local_copy.complete_to(0) == 12
    kept = {row.key: row.offset for row in app.local_copy.rows(0) if not is_schema(row.key)}
    assert kept == {b"ja": 1, b"jb": 5, b"jc": 6}


def test_a_restore_that_a_rebalance_interrupts_is_not_complete(app):
    """Faust says that it is: taken at its word, the copy would skip the tail for ever."""
    read(app, fetched([journey("b", 2), journey("b", 5)], 11))
    complete(app, 0, highwater=12)
    assert app.store.next_offset(0) is None
    assert app.local_copy.complete_to(0) == 10
    read(app, fetched([journey("c", 6)], 12))
    complete(app, 0, highwater=12)
    assert journeys(app) == {"a": 1, "b": 5, "c": 6}


def test_no_partition_is_complete_while_another_is_not(app):
    """Also one that came with the rebalance, of which it is not known yet how far it goes."""
    asyncio.run(assign(app, 0, 1))
    complete(app, 0, highwater=10)
    assert journeys(app) == {"a": 1, "b": 2}
    asyncio.run(app.store.on_recovery_completed({changelog(0), changelog(1)}, set()))
    assert app.store.next_offset(1) is None


def test_a_partition_that_comes_back_is_read_from_where_its_copy_ends(app):
    """Whatever Faust has read of it before, and whatever of that comes in late."""
    read(app, fetched([journey("b", 2), journey("b", 5)], 11))
    app.tables.recovery.flush_buffers()
    app.consumer_generation_id = 8
    asyncio.run(assign(app, 1))
    read(app, fetched([journey("c", 6)], 12, generation_id=7))
    app.tables.recovery.flush_buffers()
    app.consumer_generation_id = 9
    asyncio.run(assign(app, 0))
    assert app.tables.recovery.active_offsets[changelog(0)] == 10
    read(app, fetched([journey("b", 2), journey("b", 5), journey("c", 6)], 12, generation_id=9))
    complete(app, 0, highwater=12)
    assert journeys(app) == {"a": 1, "b": 5, "c": 6}


def test_without_a_copy_a_partition_that_comes_back_is_read_from_the_beginning(tmp_path):
    """Faust remembers how far it has come, and the rows of that are gone."""
    app = create_app(Settings(_env_file=None, data_dir=tmp_path), {"bootstrap_servers": "127.0.0.1:1"}, 2, Catalog())
    app.consumer_generation_id = 7
    asyncio.run(assign(app, 0))
    read(app, fetched([journey("a", 1)], 11))
    app.tables.recovery.flush_buffers()
    asyncio.run(assign(app, 1))
    asyncio.run(assign(app, 0))
    assert app.tables.recovery.active_offsets[changelog(0)] is None


def test_a_partition_that_stays_goes_on_where_it_was(app):
    """What was read of it before a rebalance need not be read again, and nothing of it is lost."""
    read(app, fetched([journey("b", 2), journey("b", 5)], 11))
    app.tables.recovery.flush_buffers()
    app.consumer_generation_id = 8
    asyncio.run(assign(app, 0))
    read(app, fetched([journey("c", 6)], 12, generation_id=8))
    complete(app, 0, highwater=12)
    assert journeys(app) == {"a": 1, "b": 5, "c": 6}


def test_a_fetch_of_before_a_rebalance_does_not_reach_the_restore(app):
    """One that was waiting to be queued gets through behind Faust's clearing: it would hide what lies before it."""

    async def first_given() -> SimpleNamespace:
        queue = app.tables.changelog_queue
        queue.put_nowait(fetched([journey("old", 9)], 900, generation_id=6))
        queue.put_nowait(fetched([journey("b", 5)], 11))
        return await asyncio.wait_for(queue.get(), 10)

    assert asyncio.run(first_given()).message.offset == 11
