"""Days of tables as Parquet files, in a folder or a bucket (whatever fsspec opens).

    <folder>/journey_abandonments/2025-03-31.1204.8b42f8be1f1e1705794666f01b0bec6e.parquet

The name says which rows the file must hold: their day, count and checksum. So a damaged file is known by itself, and
the same rows have the same name. Behind it may stand, for readers to leave the file alone,
- `.part`: being written. Its rows are in BigQuery.
- `.pending`: whole and verified. Its rows are in BigQuery, or nowhere else.
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

from journeys.agents.history.parquet_export import arrow_field
from journeys.agents.settings.operation_error import OperationError
from journeys.analytics.fingerprint import Fingerprint, sums
from journeys.analytics.parquet_warehouse import duckdb_sql
from journeys.analytics.table import Column, Kind

State = Literal[".part", ".pending", ""]
_SUFFIX: Final = ".parquet"
_BUCKETS: Final = frozenset({"gs", "s3", "abfs", "az", "oss"})
"""Protocols of object stores: they have no folders, and what looks like the first one costs money."""
_KINDS: Final[Sequence[tuple[Callable[[Any], bool], Kind]]] = (
    (pa.types.is_string, "STRING"),
    (pa.types.is_int64, "INTEGER"),
    (pa.types.is_float64, "FLOAT"),
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_timestamp, "TIMESTAMP"),
    (pa.types.is_binary, "BYTES"),
)


class ArchiveError(OperationError):
    """A file of the archive is not what it must be, or the folder can't be used."""


class DayFile(NamedTuple):
    """The rows of one day of one table, as a file that is there or is to be."""

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
        """Raises ArchiveError for a URL that nothing installed here can open, or a store that lets nobody in."""
        try:
            self._store, self._root = fsspec.core.url_to_fs(url)
            self._store.exists(self._root)
        except Exception as error:  # each store has errors of its own, and none of them is a fault of this program
            raise ArchiveError(f"{url}: {' '.join(str(error).split()) or type(error).__name__}") from error
        self.url = url

    def files(self, table: str, state: State) -> list[DayFile]:
        """Files of a table in one state, by day. Raises ArchiveError for one that is no file of an archive."""
        self._store.invalidate_cache()
        try:
            paths = self._store.ls(f"{self._root}/{table}", detail=False)
        except FileNotFoundError:
            return []
        suffix = _SUFFIX + state
        names = [path.rpartition("/")[2] for path in paths]
        return sorted(_named(table, name.removesuffix(suffix), state) for name in names if name.endswith(suffix))

    def write(self, file: DayFile, columns: Sequence[Column], batches: Iterable[Any]) -> None:
        """Write a file, over one that may be there: all columns, instants in UTC."""
        schema = pa.schema([arrow_field(column, "us") for column in columns])
        with self._named_errors(file):
            if not _BUCKETS.intersection(self._protocols):  # who pays for a bucket makes it
                self._store.makedirs(f"{self._root}/{file.table}", exist_ok=True)
            with self._store.open(self._path(file), "wb") as out:
                with pq.ParquetWriter(out, schema, compression="zstd") as writer:
                    for batch in batches:
                        arrays = [batch.column(one.name).cast(one.type) for one in schema]
                        writer.write_batch(pa.record_batch(arrays, schema=schema))
                if isinstance(self._store, LocalFileSystem):  # a bucket has it when the file is closed
                    out.flush()
                    os.fsync(out.fileno())
            self._sync(file)

    def fingerprint(self, file: DayFile) -> Fingerprint | None:
        """Count and checksum of the rows that a file holds, read from where it lies; None where it is no whole file."""
        with self._store.open(self._path(file), "rb") as opened, duckdb.connect() as engine:
            try:
                rows = _rows(engine, "archived", opened)
                found = engine.execute(duckdb_sql(sums("archived", _columns(rows))))
                answer = found.fetchone() or ()
            except (pa.ArrowInvalid, duckdb.InvalidInputException):
                return None
            return Fingerprint.of(dict(zip([column[0] for column in found.description], answer, strict=True)))

    def is_contained(self, file: DayFile, other: DayFile) -> bool:
        """Whether another file has every row of this one, as often as this one has it."""
        with (
            self._store.open(self._path(file), "rb") as opened,
            self._store.open(self._path(other), "rb") as also,
            duckdb.connect() as engine,
        ):
            names = ", ".join(_rows(engine, "mine", opened).names)
            _rows(engine, "others", also)
            left = f"SELECT COUNT(*) FROM (SELECT {names} FROM mine EXCEPT ALL SELECT {names} FROM others) AS alone"  # noqa: S608 - names of the contracts
            return bool(engine.execute(left).fetchone() == (0,))

    def become(self, file: DayFile, state: State) -> DayFile:
        """Give a file another state, over one of the same rows that may be there.

        A bucket copies it and then removes the first. Cut off in between, both are there: of `.part` and `.pending`
        the one is removed by the next run, of `.pending` and finished the one becomes the other again.
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
        """Say of an error of the store, such as a disk that is full, which file it met."""
        try:
            yield
        except OSError as error:
            raise ArchiveError(f"{self.url}/{file.name}: {error}") from error

    @property
    def _protocols(self) -> set[str]:
        said = self._store.protocol
        return {said} if isinstance(said, str) else set(said)

    def _path(self, file: DayFile) -> str:
        return f"{self._root}/{file.name}"

    def _sync(self, file: DayFile) -> None:
        """Have the folder's entries on disk, too: a file without its name is lost with the power."""
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
    """Have DuckDB see a file's rows under a name; gives their schema. Memory is that of some batches."""
    file = pq.ParquetFile(opened)
    engine.register(name, pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches()))
    return file.schema_arrow


def _columns(schema: Any) -> list[Column]:
    return [
        Column(field.name, next(kind for is_kind, kind in _KINDS if is_kind(field.type)), not field.nullable, "")
        for field in schema
    ]
