"""The folder of an archive: days of tables as Parquet files, in a folder or a bucket (any URL of fsspec).

    <folder>/journey_abandonments/2025-03-31.1204.8b42f8be1f1e1705794666f01b0bec6e.parquet

The name contains day, row count and checksum, so damage is detected without other data, and equal rows have equal
names. Readers must ignore files with a further suffix:
- `.part`: being written. Its rows are in BigQuery.
- `.pending`: complete and verified. Its rows may be in BigQuery, too, or nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, Final, Literal, NamedTuple

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from journeys.agents.history.arrow_tables import arrow_field
from journeys.agents.settings.operation_error import OperationError
from journeys.analytics.fingerprint import Fingerprint, sums
from journeys.analytics.parquet_warehouse import duckdb_sql
from journeys.analytics.table import Column, Kind

State = Literal[".part", ".pending", ""]
_SUFFIX: Final = ".parquet"
_BUCKETS: Final = frozenset({"gs", "s3", "abfs", "az", "oss"})
"""Protocols of object stores, which have no folders to create."""
_KINDS: Final[Sequence[tuple[Callable[[Any], bool], Kind]]] = (
    (pa.types.is_string, "STRING"),
    (pa.types.is_int64, "INTEGER"),
    (pa.types.is_float64, "FLOAT"),
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_timestamp, "TIMESTAMP"),
    (pa.types.is_binary, "BYTES"),
)


class ArchiveError(OperationError):
    """A file of the archive is damaged, or the folder can't be used."""


class DayFile(NamedTuple):
    """The file of one day of one table, which may not exist yet."""

    table: str
    day: date
    holds: Fingerprint
    state: State

    @property
    def name(self) -> str:
        """Name of the file below the archive's folder."""
        return f"{self.table}/{self.day.isoformat()}.{self.holds.rows}.{self.holds.checksum}{_SUFFIX}{self.state}"


class ArchiveFolder:
    """The folder at a URL, such as `archive`, `/srv/archive` or `gs://bucket/archive`."""

    def __init__(self, url: str) -> None:
        """Raises ArchiveError for a URL that no installed library can open, or a store that refuses access."""
        try:
            self._store, self._root = fsspec.core.url_to_fs(url)
            self._store.exists(self._root)
        except Exception as error:  # each store has errors of its own
            raise ArchiveError(f"{url}: {' '.join(str(error).split()) or type(error).__name__}") from error
        self.url = url

    def files(self, table: str, state: State) -> list[DayFile]:
        """Files of a table in one state, by day. Raises ArchiveError for a file with another name."""
        self._store.invalidate_cache()
        try:
            paths = self._store.ls(f"{self._root}/{table}", detail=False)
        except FileNotFoundError:
            return []
        suffix = _SUFFIX + state
        names = [path.rpartition("/")[2] for path in paths]
        return sorted(_named(table, name.removesuffix(suffix), state) for name in names if name.endswith(suffix))

    def write(self, file: DayFile, columns: Sequence[Column], batches: Iterable[Any]) -> None:
        """Write a file, replacing an existing one: all columns, instants in UTC."""
        schema = pa.schema([arrow_field(column, "us") for column in columns])
        with self._named_errors(file):
            if not _BUCKETS.intersection(self._protocols):  # buckets are not created here
                self._store.makedirs(f"{self._root}/{file.table}", exist_ok=True)
            with self._store.open(self._path(file), "wb") as out:
                with pq.ParquetWriter(out, schema, compression="zstd") as writer:
                    for batch in batches:
                        arrays = [batch.column(one.name).cast(one.type) for one in schema]
                        writer.write_batch(pa.record_batch(arrays, schema=schema))
                if isinstance(self._store, LocalFileSystem):  # a bucket stores it when the file is closed
                    out.flush()
                    os.fsync(out.fileno())
            self._sync(file)

    def fingerprint(self, file: DayFile) -> Fingerprint | None:
        """Row count and checksum of a file's contents; None if it is not a complete Parquet file."""
        with self._store.open(self._path(file), "rb") as opened, duckdb.connect() as engine:
            try:
                rows = _rows(engine, "archived", opened)
                query = engine.execute(duckdb_sql(sums("archived", _columns(rows))))
                values = query.fetchone() or ()
            except (pa.ArrowInvalid, duckdb.InvalidInputException):
                return None
            return Fingerprint.of(dict(zip([column[0] for column in query.description], values, strict=True)))

    def is_contained(self, file: DayFile, other: DayFile) -> bool:
        """Whether another file contains every row of this one, at least as often."""
        with (
            self._store.open(self._path(file), "rb") as opened,
            self._store.open(self._path(other), "rb") as also,
            duckdb.connect() as engine,
        ):
            names = ", ".join(_rows(engine, "mine", opened).names)
            _rows(engine, "others", also)
            difference = (
                f"SELECT COUNT(*) FROM (SELECT {names} FROM mine EXCEPT ALL SELECT {names} FROM others) AS alone"  # noqa: S608 - names of the contracts
            )
            return bool(engine.execute(difference).fetchone() == (0,))

    def change_state(self, file: DayFile, state: State) -> DayFile:
        """Rename a file to another state, replacing a file of the same rows.

        In a bucket this is a copy and a removal. If it is interrupted, both files exist: the next run removes a `.part`
        beside a `.pending`, and renames a `.pending` beside a finished file again.
        """
        after = file._replace(state=state)
        with self._named_errors(file):
            self._store.mv(self._path(file), self._path(after))
            self._sync(file)
        return after

    def remove(self, file: DayFile) -> None:
        """Remove a file."""
        self._store.rm(self._path(file))

    def size(self, file: DayFile) -> int:
        """Bytes of a file."""
        return int(self._store.size(self._path(file)))

    @contextmanager
    def _named_errors(self, file: DayFile) -> Iterator[None]:
        """Add the name of the file to errors of the store, such as a full disk."""
        try:
            yield
        except OSError as error:
            raise ArchiveError(f"{self.url}/{file.name}: {error}") from error

    @property
    def _protocols(self) -> set[str]:
        protocol = self._store.protocol
        return {protocol} if isinstance(protocol, str) else set(protocol)

    def _path(self, file: DayFile) -> str:
        return f"{self._root}/{file.name}"

    def _sync(self, file: DayFile) -> None:
        """Sync the folder's entries, too: without its entry a file is lost in a power failure."""
        if isinstance(self._store, LocalFileSystem):
            folder = os.open(f"{self._root}/{file.table}", os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _named(table: str, stem: str, state: State) -> DayFile:
    try:
        day, rows, checksum = stem.split(".")
        return DayFile(table, date.fromisoformat(day), Fingerprint(int(rows), checksum), state)
    except ValueError:
        raise ArchiveError(f"{table}/{stem}: no file of an archive; use a folder that holds nothing else") from None


def _rows(engine: Any, name: str, opened: Any) -> Any:
    """Register a file's rows with DuckDB under a name, in batches; gives their schema."""
    file = pq.ParquetFile(opened)
    engine.register(name, pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches()))
    return file.schema_arrow


def _columns(schema: Any) -> list[Column]:
    return [
        Column(field.name, next(kind for is_kind, kind in _KINDS if is_kind(field.type)), not field.nullable, "")
        for field in schema
    ]
