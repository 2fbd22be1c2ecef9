"""DDL of the tables and views in BigQuery's SQL, for deployments with other tools."""

from __future__ import annotations

import json
from typing import Final

from journeys.analytics.table import Column, Kind, Table, all_tables
from journeys.analytics.view import views

_NAMES: Final[dict[Kind, str]] = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}


def statements(dataset: str) -> list[str]:
    """Statements that create all tables and views, in order of their dependencies; `dataset` is `project.dataset`."""
    return [create_table(table, dataset) for table in all_tables()] + [
        f"CREATE OR REPLACE VIEW `{dataset}.{view.name}`\nOPTIONS (description = {_text(view.description)})\n"
        f"AS\n{view.query(dataset)};"
        for view in views()
    ]


def create_table(table: Table, dataset: str) -> str:
    """Statement that creates one table."""
    columns = ",\n".join(f"  {_column(column)}" for column in table.columns)
    return (
        f"CREATE TABLE IF NOT EXISTS `{dataset}.{table.name}` (\n{columns}\n)\n"
        f"PARTITION BY TIMESTAMP_TRUNC({table.partition_by}, DAY)\n"
        f"CLUSTER BY {', '.join(table.cluster_by)}\n"
        f"OPTIONS (description = {_text(table.description)});"
    )


def sql_kind(column: Column) -> str:
    """SQL type of a column."""
    return _NAMES.get(column.kind, column.kind)


def _column(column: Column) -> str:
    kind = sql_kind(column)
    required = " NOT NULL" if column.is_required else ""
    return f"{column.name} {kind}{required} OPTIONS (description = {_text(column.description)})"


def _text(value: str) -> str:
    # BigQuery's string literals have JSON's escapes.
    return json.dumps(value, ensure_ascii=False)
