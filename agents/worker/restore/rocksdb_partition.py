"""The local copy of one partition, as a RocksDB database.

Keys are those of the table; a row is stored as its wire bytes, which begin with 0. A tombstone is stored, too, with
its input offset and the time it was written: as in the changelog, it keeps stale rows from coming back and is deleted
after a day. Keys that begin with 0 are metadata: the changelog that the copy belongs to, up to which offset and as of
when it is complete, and the schemas of its rows.

Rows and the offset up to which they are complete are written in one RocksDB write batch, so both or none. Nothing is
synced to disk: a power failure may lose the latest batches, and never an earlier one without all later ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from struct import Struct
from typing import Any, Final

from rocksdict import Options, Rdict, ReadOptions, WriteBatch

from journeys.agents.kafka.changelog_state import ChangelogState
from journeys.clock import now_ms
from journeys.schemas.catalog import Catalog
from journeys.schemas.codec import HEADER_BYTES, schema_id_of
from journeys.schemas.instants import HOUR_MS
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.topics import TOMBSTONE_LIFE_MS
from journeys.streams.stored.stored_row import StoredRow, row_offset

_FORMAT: Final = 1
_BINDING: Final = b"\x00binding"
_COMPLETE: Final = b"\x00complete"
_AS_OF: Final = b"\x00complete-as-of"  # milliseconds since the epoch, by the clock of the machine that wrote it
_SCHEMA: Final = b"\x00schema"
_FIRST_ROW: Final = b"\x01"
_TOMBSTONE: Final = Struct(">cqq")  # mark, input offset, seconds since the epoch
_TOMBSTONE_MARK: Final = b"\x01"
_MS: Final = 1_000
# For differences between the clocks of workers and brokers, and for the time that a restore takes.
_MARGIN_MS: Final = HOUR_MS
# Small, because RocksDB's log is replayed when a database is opened, and a rebalance waits for that.
_MEMTABLE_BYTES: Final = 4 * 1024 * 1024
_OPEN_FILES: Final = 64
_BACKGROUND_JOBS: Final = 2
# rocksdict holds the GIL while it writes: a large batch would stop heartbeats and the freeze guard.
_BATCH_ROWS: Final = 5_000


class RocksdbPartition:
    """One open database. `complete_to` is the changelog offset up to which it is complete, None when it is new."""

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        """Open or create; raises what RocksDB raises, which is plain Exception."""
        self._catalog = catalog
        self._database: Any = Rdict(str(folder), _options())
        stored = self._database.get(_COMPLETE)
        self.complete_to: int | None = None if stored is None else int(stored)
        self.is_read = False
        """Whether `rows` was read to its end since the opening."""
        self._schema_prefixes: set[bytes] = {key[len(_SCHEMA) :] for key, _ in self._scan(_SCHEMA, _FIRST_ROW)}

    def bind(self, changelog: ChangelogState) -> None:
        """Note in a new database which changelog it belongs to."""
        self._database.put(_BINDING, _binding(changelog))

    def why_unfit(self, number: int, changelog: ChangelogState) -> str | None:
        """Why a restore can't begin with these rows; None if it can."""
        if self.complete_to is None:
            return "their first restore did not end"
        binding: bytes = self._database.get(_BINDING) or b""
        if binding != _binding(changelog):
            return f"they are of another changelog: {binding.decode()}"
        end = changelog.ends[number]
        if self.complete_to >= end:
            return f"they are of offset {self.complete_to}, and the changelog ends at {end}: it was truncated"
        if too_old := self._why_too_old():
            return too_old
        for prefix in self._schema_prefixes:
            if self._database.get(_SCHEMA + prefix) != self._schema_text(prefix):
                return f"the schema {schema_id_of(prefix)} of some of them is not known here, or is another one now"
        return None

    def _why_too_old(self) -> str | None:
        """Why the changelog may no longer have every deletion behind these rows; None if it has."""
        as_of_ms: bytes | None = self._database.get(_AS_OF)
        if as_of_ms is None:
            return "it is not known when they were last complete"
        age_ms = now_ms() - int(as_of_ms)
        hours = age_ms / HOUR_MS
        if hours < 0:
            return f"they were last complete {-hours:.1f} hours from now: a clock was wrong"
        if age_ms > TOMBSTONE_LIFE_MS - _MARGIN_MS:
            return (
                f"they were last complete {hours:.1f} hours ago, and the changelog keeps deletions for "
                f"{TOMBSTONE_LIFE_MS / HOUR_MS:g}"
            )
        return None

    def rows(self) -> Iterator[StoredRow]:
        """All rows and tombstones; raises what RocksDB raises for damaged files."""
        expired: list[bytes] = []
        oldest = now_ms() // _MS - TOMBSTONE_LIFE_MS // _MS
        for key, value in self._scan(_FIRST_ROW, None):
            if value[:1] != _TOMBSTONE_MARK:
                yield StoredRow(key, value, row_offset(value))
                continue
            _, offset, written_at = _TOMBSTONE.unpack(value)
            if written_at < oldest:
                expired.append(key)
            else:
                yield StoredRow(key, None, offset)
        for begin in range(0, len(expired), _BATCH_ROWS):
            batch = WriteBatch(raw_mode=True)
            for key in expired[begin : begin + _BATCH_ROWS]:
                batch.delete(key)
            self._database.write(batch)
        self.is_read = True

    def put(self, rows: Iterable[StoredRow], complete_to: int | None, as_of_ms: int) -> None:
        """Store rows, and with the last of them the offset and time of completeness, which never decrease."""
        if complete_to is not None and self.complete_to is not None and complete_to < self.complete_to:
            complete_to = None
        waiting = iter(rows)
        chunk = list(islice(waiting, _BATCH_ROWS))
        while True:
            batch = self._batch(chunk)
            chunk = list(islice(waiting, _BATCH_ROWS))
            if not chunk and complete_to is not None:
                batch.put(_COMPLETE, str(complete_to).encode())
                batch.put(_AS_OF, str(as_of_ms).encode())
            self._database.write(batch)
            if not chunk:
                break
        if complete_to is not None:
            self.complete_to = complete_to

    def close(self) -> None:
        """Close the database and release its lock."""
        self._database.close()

    def _batch(self, rows: Sequence[StoredRow]) -> Any:
        batch = WriteBatch(raw_mode=True)
        for key, value, offset in rows:
            if value is None:
                batch.put(key, _TOMBSTONE.pack(_TOMBSTONE_MARK, offset, now_ms() // _MS))
                continue
            prefix = value[:HEADER_BYTES]
            if prefix not in self._schema_prefixes:
                batch.put(_SCHEMA + prefix, self._schema_text(prefix))
                self._schema_prefixes.add(prefix)
            batch.put(key, value)
        return batch

    def _schema_text(self, prefix: bytes) -> bytes | None:
        """JSON of the schema that the prefix of a row names; None if it is not known."""
        try:
            return self._catalog.writer(schema_id_of(prefix)).plain_json.encode()
        except InvalidRecordError:
            return None

    def _scan(self, begin: bytes, end: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        options = ReadOptions()
        options.fill_cache(False)
        if end is not None:
            options.set_iterate_upper_bound(end)
        entries = self._database.iter(options)
        entries.seek(begin)
        while entries.valid():
            yield entries.key(), entries.value()
            entries.next()
        entries.status()  # raises if a damaged file ended the iteration early


def _binding(changelog: ChangelogState) -> bytes:
    binding = {"format": _FORMAT, "topic_id": changelog.topic_id, "partitions": changelog.partition_count}
    return json.dumps(binding).encode()


def _options() -> Any:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(_MEMTABLE_BYTES)
    options.set_max_open_files(_OPEN_FILES)
    options.set_max_background_jobs(_BACKGROUND_JOBS)
    options.set_keep_log_file_num(1)
    return options
