"""The tables and views without BigQuery: DuckDB over Parquet files exported from the topics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import sqlglot

from journeys.analytics.table import Kind, Table, all_tables
from journeys.analytics.view import views
from journeys.schemas.expected_error import ExpectedError

_DATASET: Final = "journeys.main"
_TYPES: Final[dict[Kind, str]] = {
    "STRING": "VARCHAR",
    "INTEGER": "BIGINT",
    "FLOAT": "DOUBLE",
    "BOOLEAN": "BOOLEAN",
    "TIMESTAMP": "TIMESTAMP",
    "BYTES": "BLOB",
}


class NoExportError(ExpectedError):
    """There are no Parquet files to query."""


class ParquetWarehouse:
    """Runs BigQuery's SQL over the Parquet files of a folder with a subfolder for each table."""

    dataset = _DATASET
    """Name of the dataset in queries."""

    def __init__(self, folder: Path) -> None:
        """`folder` is that of `journeys export`, or of an archive. Raises NoExportError if no table has a file."""
        self._connection = duckdb.connect()
        self._connection.execute("ATTACH ':memory:' AS journeys")
        files = {
            table.name: [str(path) for path in sorted(folder.glob(f"{table.name}/*.parquet"))] for table in all_tables()
        }
        if not any(files.values()):
            raise NoExportError(f"{folder} has no Parquet files: write them with journeys export --folder {folder}")
        for table in all_tables():
            try:
                rows = rows_of_files(self._connection, table, files[table.name])
                self._connection.execute(f"CREATE TABLE {_DATASET}.{table.name} AS {rows}")
            except duckdb.Error as error:
                text = " ".join(str(error).split("\n")[0].split())
                raise NoExportError(f"{folder / table.name}: a file of this folder can't be read: {text}") from None
        for view in views():
            self._connection.execute(f"CREATE VIEW {_DATASET}.{view.name} AS {duckdb_sql(view.query(_DATASET))}")

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a query in BigQuery's SQL, by column name."""
        result = self._connection.execute(duckdb_sql(sql))
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def rows_of_files(connection: Any, table: Table, paths: Sequence[str]) -> str:
    """Query for the rows of Parquet files of a table, with all columns of the contract.

    Files of an archive have the columns of the time when they were written. The query is valid until the next call.
    """
    columns = ", ".join(f"CAST(NULL AS {_TYPES[column.kind]}) AS {column.name}" for column in table.columns)
    rows = f"SELECT {columns} WHERE FALSE"
    if not paths:
        return rows
    connection.read_parquet(list(paths), union_by_name=True).create_view("loaded", replace=True)
    return rows + " UNION ALL BY NAME SELECT * FROM loaded"  # noqa: S608 - names of the contracts


def duckdb_sql(sql: str) -> str:
    """Translate BigQuery's SQL to DuckDB's."""
    # DuckDB's default DECIMAL has three decimals; BigQuery's NUMERIC has nine.
    prepared = sql.replace("PARSE_NUMERIC('0.000001')", "CAST('0.000001' AS DECIMAL(38, 9))")
    return sqlglot.transpile(prepared, read="bigquery", write="duckdb")[0]
