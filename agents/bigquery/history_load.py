"""Loads history that is too old for streaming from Parquet files into the tables, each row once.

The files are those of `journeys export`, or of an archive. Load jobs cover a year each, so that none exceeds the limit
of 4,000 partitions. Rows whose key BigQuery already has are left out, so an interrupted run can be repeated.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from journeys.agents.bigquery.client import Warehouse, dataset_client
from journeys.agents.bigquery.event_time import latest_loadable
from journeys.agents.bigquery.load_job import NoFilesError, append, in_utc
from journeys.agents.history.arrow_tables import arrow_schema
from journeys.analytics.parquet_warehouse import rows_of_files
from journeys.analytics.table import Table, tables
from journeys.clock import now_ms
from journeys.schemas.instants import EARLIEST


class LoadedYear(NamedTuple):
    """Rows of one table and year: loaded (or to be loaded), and already present in BigQuery."""

    table: str
    year: int
    rows: int
    present: int


class LoadRun(NamedTuple):
    """A run over all tables. `absurd` rows are before 1990 or too far in the future, and left out."""

    years: list[LoadedYear]
    absurd: int
    seconds: float

    @property
    def rows(self) -> int:
        """Rows that were loaded, or would be."""
        return sum(one.rows for one in self.years)


def load(warehouse: Warehouse, folder: Path, before: date, *, really: bool = False) -> LoadRun:
    """Load the rows of a folder that are before `before` (UTC); without `really` this is a dry run.

    Raises BigQueryError, and NoFilesError for a folder without files.
    """
    start = monotonic()
    years: list[LoadedYear] = []
    absurd = 0
    files = {table: [str(path) for path in sorted(folder.glob(f"{table.name}/*.parquet"))] for table in tables()}
    if not any(files.values()):
        raise NoFilesError(folder, folder)
    with dataset_client(warehouse) as client, duckdb.connect() as engine:
        for table, paths in files.items():
            if paths:
                engine.execute(f"CREATE OR REPLACE VIEW files AS {rows_of_files(engine, table, paths)}")
                absurd += _absurd(engine, table)
                years += [
                    _load_year(client, engine, warehouse, table, year, really) for year in _years(engine, table, before)
                ]
    return LoadRun(years, absurd, monotonic() - start)


def _absurd(engine: Any, table: Table) -> int:
    allowed = f"epoch_ms({table.partition_by}) BETWEEN {EARLIEST} AND {latest_loadable(now_ms()) - 1}"
    # Each row once (delivery is at least once), in the order of BigQuery's partitions.
    engine.execute(
        f"CREATE OR REPLACE VIEW history AS SELECT * FROM files WHERE {allowed} "  # noqa: S608 - names of the contracts
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {table.key}) = 1 ORDER BY {table.partition_by}"
    )
    ((count,),) = engine.execute(f"SELECT COUNT(*) FROM files WHERE NOT ({allowed})").fetchall()  # noqa: S608
    return int(count)


def _years(engine: Any, table: Table, before: date) -> Iterator[tuple[str, int]]:
    """Years that have rows, each with the SQL condition for its rows."""
    column = table.partition_by
    older = f"{column} < TIMESTAMP '{before.isoformat()}'"
    years = engine.execute(f"SELECT DISTINCT year({column}) FROM history WHERE {older} ORDER BY 1").fetchall()  # noqa: S608
    for (year,) in years:
        yield f"{older} AND year({column}) = {year}", year


def _load_year(
    client: Any, engine: Any, warehouse: Warehouse, table: Table, wanted: tuple[str, int], really: bool
) -> LoadedYear:
    where, year = wanted
    name = f"{warehouse.path}.{table.name}"
    column = table.partition_by
    present = (
        f"SELECT DISTINCT {table.key} FROM `{name}` WHERE {column} >= {_start(year)} AND {column} < {_start(year + 1)}"  # noqa: S608
    )
    engine.register(
        "present", pa.table({"key": pa.array([key for (key,) in client.query(present).result()], pa.string())})
    )
    columns = ", ".join(one.name for one in table.columns)
    missing = f"SELECT {columns} FROM history WHERE {where} AND {table.key} NOT IN (SELECT key FROM present)"  # noqa: S608
    rows = engine.execute(missing).to_arrow_table()
    ((total,),) = engine.execute(f"SELECT COUNT(*) FROM history WHERE {where}").fetchall()  # noqa: S608
    if really and len(rows):
        file = io.BytesIO()
        pq.write_table(rows.cast(in_utc(arrow_schema(table))), file)
        append(client, name, file)
    return LoadedYear(table.name, year, len(rows), total - len(rows))


def _start(year: int) -> str:
    return f"TIMESTAMP '{datetime(year, 1, 1, tzinfo=UTC).isoformat(sep=' ')}'"
