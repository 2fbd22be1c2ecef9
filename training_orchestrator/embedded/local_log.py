"""The durable log of an embedded manager: one SQLite file with the input, the outputs and the rows of one partition.

    input   offset, key, append time, wire bytes      the log: appended first, and only then applied
    output  sequence, input offset, wire bytes        the rule's outputs; each once, in the order of the input
    row     table key, wire bytes                     the rule's state, so that a restart reads only the rest of the log

SQLite in WAL mode: one process writes, any number read. A commit is on the disk when it returns (synchronous=FULL).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import IO, Final, Literal, NamedTuple

from journeys.schemas.codec import Codec
from journeys.schemas.topics import JOURNEY_ABANDONMENTS
from journeys.streams.partition.entry import EntryFields
from training_orchestrator.api.answers import StoreInUseError, StoreUnavailableError

FORMAT: Final = 2
_WITH_IDS: Final = 1  # had an index of output ids: random writes for each of them
_OWNERS_FILE: Final = 0o600
_OWNERS_FOLDER: Final = 0o700
_BUSY_SECONDS: Final = 5.0  # a reader never blocks the writer; a backup tool may, for a moment
_READ_RECORDS: Final = 5_000
# SQLite's default of 1,000 pages is less than 10,000 outputs: a commit would wait for the main database file, too.
_CHECKPOINT_PAGES: Final = 10_000
INPUT_COLUMNS: Final = '"offset", "key", CAST(append_time AS INTEGER), value'
"""Columns of the input, as SQL. Earlier releases wrote what `now` gave, which could be a float."""
FOR_FEEDS: Final = "'abandoned', 'returned', 'converted'"
"""Kinds of outputs that a feed reads, as SQL."""
_TABLES: Final = f"""
CREATE TABLE IF NOT EXISTS input (
    "offset" INTEGER PRIMARY KEY, "key" BLOB, append_time INTEGER NOT NULL, value BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS output (
    sequence INTEGER PRIMARY KEY, "offset" INTEGER NOT NULL, topic TEXT NOT NULL, kind TEXT NOT NULL,
    detected_at INTEGER NOT NULL, value BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS output_by_detection ON output (topic, detected_at);
-- Feeds read only a few of the outputs.
CREATE INDEX IF NOT EXISTS output_for_feeds ON output (sequence, topic) WHERE kind IN ({FOR_FEEDS});
CREATE TABLE IF NOT EXISTS row ("key" BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""


class LoggedInput(NamedTuple):
    """One record of the input, as it is appended."""

    key: bytes | None
    append_time: int
    value: bytes


class LoggedOutput(NamedTuple):
    """One output; `detected_at` is its own (ms), of a dead letter its append time."""

    offset: int
    """Of the input record that caused it."""
    topic: str
    kind: str
    """`abandoned`, a lifecycle record's kind, or `dead_letter`."""
    detected_at: int
    value: bytes


class LocalLog:
    """Writer of one file. Use it from one thread; a second process gets StoreInUseError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.end_offset = 0
        """Offset of the next record of the input."""
        self.stored_to = -1
        """Offset of the last input record whose outputs are stored, among those that have any."""
        self.is_rebuilt = False
        """Whether outputs and rows of an earlier format were dropped, to be computed again from the input."""
        self._lock: IO[str] | None = None
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the file, or create it. Raises StoreUnavailableError, StoreInUseError."""
        try:
            self.path.parent.mkdir(mode=_OWNERS_FOLDER, parents=True, exist_ok=True)
            # The kernel releases it when the process dies, so it is never stale.
            self._lock = owners_file(self.path.with_name(self.path.name + ".lock")).open("w")
            flock(self._lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            self.close()
            raise StoreInUseError(
                f"{self.path}: another manager is using this file; stop it, or use another file"
            ) from None
        except OSError as error:
            self.close()
            raise StoreUnavailableError(f"{self.path}: {error.strerror or error}") from error
        try:
            # SQLite makes the files beside it (-wal, -shm) with the rights that this one has.
            for name in ("", "-wal", "-shm"):
                path = self.path.with_name(self.path.name + name)
                if not name or path.exists():
                    owners_file(path)
        except OSError as error:
            self.close()
            raise StoreUnavailableError(f"{self.path}: {error.strerror or error}") from error
        try:
            self._open()
        except sqlite3.Error as error:
            self.close()
            raise StoreUnavailableError(f"{self.path}: {error}") from error
        except StoreUnavailableError:
            self.close()
            raise

    def _open(self) -> None:
        connection = self._connection = sqlite3.connect(
            self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        stored_format = connection.execute("PRAGMA user_version").fetchone()[0]
        if stored_format not in (0, _WITH_IDS, FORMAT):
            raise StoreUnavailableError(
                f"{self.path}: format {stored_format} is not known; this release writes {FORMAT}"
            )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        self.is_rebuilt = stored_format == _WITH_IDS
        drop = "DROP TABLE output; DROP TABLE row;" if self.is_rebuilt else ""
        connection.executescript(f"BEGIN; {drop} {_TABLES} PRAGMA user_version={FORMAT}; COMMIT;")
        last = connection.execute('SELECT max("offset") FROM input').fetchone()[0]
        self.end_offset = 0 if last is None else last + 1
        stored = connection.execute('SELECT "offset" FROM output ORDER BY sequence DESC LIMIT 1').fetchone()
        self.stored_to = -1 if stored is None else stored[0]

    def close(self) -> None:
        """Close the file and release its lock; a second call does nothing."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def forked(self) -> None:
        """In a forked child: let go of the lock, the parent's. The connection must be neither used nor closed."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def append(self, records: Sequence[LoggedInput]) -> int:
        """Append records, all or none, and give the offset of the first; on the disk when this returns.

        Raises StoreUnavailableError.
        """
        first = self.end_offset
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO input VALUES (?, ?, ?, ?)", [(first + n, *record) for n, record in enumerate(records)]
            )
        self.end_offset = first + len(records)
        return first

    def entries(self, start: int, codec: Codec) -> Iterator[list[EntryFields]]:
        """Yield the input from `start` on, in batches, as the processor takes it."""
        with self._guarded() as connection:
            yield from entries_of(connection, start, codec)

    def newest_without_key(self) -> Iterator[bytes]:
        """Yield wire bytes of policies and punctuations, the newest first."""
        with self._guarded() as connection:
            for (value,) in connection.execute('SELECT value FROM input WHERE "key" IS NULL ORDER BY "offset" DESC'):
                yield value

    def store(
        self,
        outputs: Sequence[LoggedOutput],
        rows: Iterable[tuple[bytes, bytes]] = (),
        deleted_keys: Iterable[bytes] = (),
    ) -> None:
        """Store outputs that are not stored yet, replace rows by their keys, and delete rows; all or nothing.

        Pass outputs in the order of the input, all those of a record in one call.

        Raises StoreUnavailableError.
        """
        with self._transaction() as connection:
            connection.executemany(
                'INSERT INTO output ("offset", topic, kind, detected_at, value) VALUES (?, ?, ?, ?, ?)',
                (output for output in outputs if output.offset > self.stored_to),
            )
            connection.executemany("INSERT OR REPLACE INTO row VALUES (?, ?)", rows)
            connection.executemany('DELETE FROM row WHERE "key" = ?', ((key,) for key in deleted_keys))
        if outputs:
            self.stored_to = max(self.stored_to, outputs[-1].offset)

    def rows(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """Yield stored rows in batches."""
        with self._guarded() as connection:
            cursor = connection.execute("SELECT * FROM row")
            while batch := cursor.fetchmany(_READ_RECORDS):
                yield batch

    def abandonments_since(self, at: int) -> list[bytes]:
        """Wire bytes of abandonments detected at `at` (ms) or later, in the order of the log."""
        with self._guarded() as connection:
            cursor = connection.execute(
                "SELECT value FROM output WHERE topic = ? AND detected_at >= ? ORDER BY sequence",
                (JOURNEY_ABANDONMENTS, at),
            )
            return [value for (value,) in cursor]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guarded() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        """Give the connection; turns SQLite's errors into StoreUnavailableError."""
        if self._connection is None:
            raise StoreUnavailableError(f"{self.path}: closed")
        try:
            yield self._connection
        except sqlite3.Error as error:
            raise StoreUnavailableError(f"{self.path}: {error}") from error


def owners_file(path: Path) -> Path:
    """Make a file that is missing, and let nobody but its owner read or write it: it holds user ids. Gives the path."""
    path.touch(mode=_OWNERS_FILE)
    found = path.stat()
    if found.st_mode & 0o777 != _OWNERS_FILE and found.st_uid == os.getuid():
        path.chmod(_OWNERS_FILE)
    return path


@contextmanager
def store_connection(path: Path, mode: Literal["ro", "rw"] = "ro") -> Iterator[sqlite3.Connection]:
    """Connect to an existing store; its manager may be running. Raises StoreUnavailableError."""
    if not path.is_file():
        raise StoreUnavailableError(f"{path}: there is no such store")
    try:
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise StoreUnavailableError(f"{path}: {error}") from error


def entries_of(connection: sqlite3.Connection, start: int, codec: Codec) -> Iterator[list[EntryFields]]:
    """Yield the input from the offset `start` on, in batches."""
    position = start
    while True:
        batch = connection.execute(
            f'SELECT {INPUT_COLUMNS} FROM input WHERE "offset" >= ? ORDER BY "offset" LIMIT ?',  # noqa: S608  (a constant)
            (position, _READ_RECORDS),
        ).fetchall()
        if not batch:
            return
        records = codec.decode_inputs([value for _, _, _, value in batch])
        yield [
            (offset, key, append_time, record, value)
            for (offset, key, append_time, value), record in zip(batch, records, strict=True)
        ]
        position = batch[-1][0] + 1
