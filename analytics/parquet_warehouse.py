"""The same tables and views on a laptop: DuckDB over Parquet files exported from the topics."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import duckdb
import sqlglot

from analytics.table import all_tables
from analytics.view import views

_DATASET: Final = "journeys.main"


class NoExportError(Exception):
    """There are no Parquet files to ask."""


class ParquetWarehouse:
    """Answers BigQuery's SQL over the Parquet files of a folder, which has one folder for each table."""

    dataset = _DATASET
    """What to call the dataset in queries."""

    def __init__(self, folder: Path) -> None:
        """Raises NoExportError unless each table has a file."""
        self._connection = duckdb.connect()
        self._connection.execute("ATTACH ':memory:' AS journeys")
        for table in all_tables():
            files = folder / table.name / "*.parquet"
            if not any(files.parent.glob(files.name)):
                raise NoExportError(
                    f"{files.parent} has no Parquet files: write them with journeys export --folder {folder}"
                )
            relation = self._connection.read_parquet(str(files))
            relation.create_view("loaded", replace=True)
            self._connection.execute(f"CREATE TABLE {_DATASET}.{table.name} AS SELECT * FROM loaded")  # noqa: S608 - names of the contracts
        for view in views():
            self._connection.execute(f"CREATE VIEW {_DATASET}.{view.name} AS {_translated(view.query(_DATASET))}")

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a query in BigQuery's SQL, by column name."""
        found = self._connection.execute(_translated(sql))
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _translated(sql: str) -> str:
    # DuckDB's plain DECIMAL has three decimals; BigQuery's NUMERIC has nine.
    said = sql.replace("PARSE_NUMERIC('0.000001')", "CAST('0.000001' AS DECIMAL(38, 9))")
    return sqlglot.transpile(said, read="bigquery", write="duckdb")[0]
