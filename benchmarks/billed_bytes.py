"""Bytes that BigQuery would bill for a report, worked out: the emulator counts none.

By BigQuery's rules: a query pays for the columns that it reads of its tables, whole (here without leaving out
partitions); an integer, float or instant is 8 bytes, a boolean 1, text 2 and its UTF-8, null nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope

from journeys.analytics.query import queries
from journeys.analytics.table import all_tables
from journeys.analytics.view import views

_DATASET = "project.dataset"
_SIZES = {"INTEGER": 8, "FLOAT": 8, "TIMESTAMP": 8, "BOOLEAN": 1}


def report_bytes(folder: Path) -> dict[str, int]:
    """Bytes by query over the files of an export, all days of it."""
    sizes = {table.name: _column_bytes(folder / table.name / "rows.parquet", table) for table in all_tables()}
    return {
        query.name: sum(
            sizes[table][column]
            for table, columns in read_columns(query.sql(_DATASET, 0, 1)).items()
            for column in columns
        )
        for query in queries()
    }


def read_columns(sql: str) -> dict[str, set[str]]:
    """Columns that a query over the views reads of the tables, by table."""
    project, dataset = _DATASET.split(".")
    kinds = {table.name: {column.name: column.kind for column in table.columns} for table in all_tables()}
    tree = pushdown_projections(qualify(_inlined(sql), schema={project: {dataset: kinds}}, dialect="bigquery"))
    found: dict[str, set[str]] = {}
    for scope in traverse_scope(tree):
        for name, source in scope.sources.items():
            if isinstance(source, exp.Table):
                read = {column.name for column in scope.columns if column.table == name}
                found.setdefault(source.name, set()).update(read)
    return found


def _inlined(sql: str) -> Any:
    """The query with its views' queries in their places."""
    bodies = {view.name: view.query(_DATASET) for view in views()}
    tree = sqlglot.parse_one(sql, read="bigquery")
    while named := [table for table in tree.find_all(exp.Table) if table.name in bodies]:
        for table in named:
            body = sqlglot.parse_one(bodies[table.name], read="bigquery")
            table.replace(exp.Subquery(this=body, alias=exp.to_identifier(table.alias_or_name)))
    return tree


def _column_bytes(file: Path, table: Any) -> dict[str, int]:
    sizes: dict[str, int] = {column.name: 0 for column in table.columns}
    with pq.ParquetFile(file) as found:
        for batch in found.iter_batches(batch_size=100_000):
            for column in table.columns:
                values = batch.column(column.name)
                count = len(values) - values.null_count
                if column.kind in _SIZES:
                    sizes[column.name] += count * _SIZES[column.kind]
                else:
                    sizes[column.name] += 2 * count + (pc.sum(pc.binary_length(values)).as_py() or 0)
    return sizes
