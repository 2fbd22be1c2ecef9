"""The durable log of an embedded manager: one SQLite file with the input, the outputs and the rows of one partition.

    input   offset, key, append time, wire bytes      the truth: appended first, and only then applied
    output  sequence, input offset, wire bytes        what the rule said; each once, in the order of the input
    row     table key, wire bytes                     where the rule stands, so that a restart reads only the rest

SQLite in WAL mode: one process writes, any number read. A commit is on the disk when it returns (synchronous=FULL).
"""

from __future__ import annotations

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
_WITH_IDS: Final = 1  # outputs had an index of their ids, which 10,000 of them wrote all over
_BUSY_SECONDS: Final = 5.0  # a reader never blocks the writer; a backup tool may, for a moment
_READ_RECORDS: Final = 5_000
# 10,000 outputs are more than SQLite's own 1,000 pages, behind which a commit has to wait for the main file, too.
_CHECKPOINT_PAGES: Final = 10_000
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
-- What feeds read is a few of all outputs.
CREATE INDEX IF NOT EXISTS output_for_feeds ON output (sequence, topic) WHERE kind IN ({FOR_FEEDS});
CREATE TABLE IF NOT EXISTS row ("key" BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""


class LoggedInput(NamedTuple):
    """One record of the input, as it is appended."""

    key: bytes | None
    append_time: int
    value: bytes


class LoggedOutput(NamedTuple):
    """One output; `detected_at` is its own (ms), or when a dead letter came."""

    offset: int
    """Of the record of the input that brought it about."""
    topic: str
    kind: str
    """`abandoned`, a lifecycle record's kind, or `dead_letter`."""
    detected_at: int
    value: bytes


class LocalLog:
    """The writer's side. Use it from one thread; a second process is refused (StoreInUseError)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.end_offset = 0
        """Offset of the next record of the input."""
        self.stored_to = -1
        """Offset of the last record of the input whose outputs are stored, of those that have any."""
        self.is_rebuilt = False
        """Whether outputs and rows of an earlier format were dropped: the input says them again."""
        self._lock: IO[str] | None = None
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Create the file where it is missing. Raises StoreUnavailableError."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Freed by the kernel when its holder dies, so it is never stale.
            self._lock = self.path.with_name(self.path.name + ".lock").open("w")
            flock(self._lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            self.close()
            raise StoreInUseError(
                f"{self.path}: another manager decides the journeys of this file; stop it, or use another file"
            ) from None
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
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, _WITH_IDS, FORMAT):
            raise StoreUnavailableError(f"{self.path}: format {found} is not known; this release writes {FORMAT}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        self.is_rebuilt = found == _WITH_IDS
        drop = "DROP TABLE output; DROP TABLE row;" if self.is_rebuilt else ""
        connection.executescript(f"BEGIN; {drop} {_TABLES} PRAGMA user_version={FORMAT}; COMMIT;")
        last = connection.execute('SELECT max("offset") FROM input').fetchone()[0]
        self.end_offset = 0 if last is None else last + 1
        stored = connection.execute('SELECT "offset" FROM output ORDER BY sequence DESC LIMIT 1').fetchone()
        self.stored_to = -1 if stored is None else stored[0]

    def close(self) -> None:
        """Close the file and let others have it; a second time does nothing."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def append(self, records: Sequence[LoggedInput]) -> int:
        """Append records and give the offset of the first: all of them are on the disk, or none is.

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

    def newest_of_no_journey(self) -> Iterator[bytes]:
        """Yield wire bytes of policies and punctuations, the newest first."""
        with self._guarded() as connection:
            for (value,) in connection.execute('SELECT value FROM input WHERE "key" IS NULL ORDER BY "offset" DESC'):
                yield value

    def store(
        self,
        outputs: Sequence[LoggedOutput],
        rows: Iterable[tuple[bytes, bytes]] = (),
        forgotten: Iterable[bytes] = (),
    ) -> None:
        """Store outputs that are not there yet, rows by their keys, and delete rows; all or nothing.

        Outputs come in the order of the input, those of a record all at once.

        Raises StoreUnavailableError.
        """
        with self._transaction() as connection:
            connection.executemany(
                'INSERT INTO output ("offset", topic, kind, detected_at, value) VALUES (?, ?, ?, ?, ?)',
                (output for output in outputs if output.offset > self.stored_to),
            )
            connection.executemany("INSERT OR REPLACE INTO row VALUES (?, ?)", rows)
            connection.executemany('DELETE FROM row WHERE "key" = ?', ((key,) for key in forgotten))
        if outputs:
            self.stored_to = max(self.stored_to, outputs[-1].offset)

    def rows(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """Yield stored rows in batches."""
        with self._guarded() as connection:
            cursor = connection.execute("SELECT * FROM row")
            while batch := cursor.fetchmany(_READ_RECORDS):
                yield batch

    def abandonments_since(self, at: int) -> list[bytes]:
        """Wire bytes of abandonments detected at `at` (ms) or later, as they came."""
        with self._guarded() as connection:
            found = connection.execute(
                "SELECT value FROM output WHERE topic = ? AND detected_at >= ? ORDER BY sequence",
                (JOURNEY_ABANDONMENTS, at),
            )
            return [value for (value,) in found]

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
        """Give the connection; what goes wrong in SQLite becomes the one answer for it."""
        if self._connection is None:
            raise StoreUnavailableError(f"{self.path}: closed")
        try:
            yield self._connection
        except sqlite3.Error as error:
            raise StoreUnavailableError(f"{self.path}: {error}") from error


@contextmanager
def store_connection(path: Path, mode: Literal["ro", "rw"] = "ro") -> Iterator[sqlite3.Connection]:
    """Connect to the file of a store, whose manager may be at work; none is made here. Raises StoreUnavailableError."""
    if not path.is_file():
        raise StoreUnavailableError(f"{path}: there is no such store")
    try:
        place = f"{path.absolute().as_uri()}?mode={mode}"
        with closing(sqlite3.connect(place, uri=True, timeout=_BUSY_SECONDS)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise StoreUnavailableError(f"{path}: {error}") from error


def entries_of(connection: sqlite3.Connection, start: int, codec: Codec) -> Iterator[list[EntryFields]]:
    """Yield the input of a log's file from the offset `start` on, in batches."""
    position = start
    while True:
        batch = connection.execute(
            'SELECT * FROM input WHERE "offset" >= ? ORDER BY "offset" LIMIT ?', (position, _READ_RECORDS)
        ).fetchall()
        if not batch:
            return
        records = codec.decode_inputs([value for _, _, _, value in batch])
        yield [
            (offset, key, append_time, record, value)
            for (offset, key, append_time, value), record in zip(batch, records, strict=True)
        ]
        position = batch[-1][0] + 1
