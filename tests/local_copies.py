"""Local copies of a partition for the tests: a store with one open, and rows to put there."""

import asyncio
from pathlib import Path

from agents.changelog_state import ChangelogState
from agents.rocksdb_store import RocksdbStore
from agents.worker_slot import WorkerSlot
from schemas.catalog import Catalog
from schemas.codec import Codec
from schemas.rows import journey_key
from streams.policy import DEFAULT_POLICY
from streams.row import Row
from streams.table import StoredRow

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
