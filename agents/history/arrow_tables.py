"""Tables of the warehouse in Arrow: the schemas of their Parquet files, and rows in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import pyarrow as pa

from journeys.analytics.table import Column, Table

_ARROW: Final = {
    "STRING": pa.string(),
    "INTEGER": pa.int64(),
    "FLOAT": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "BYTES": pa.binary(),
}


def arrow_schema(table: Table) -> Any:
    """Arrow schema of a table's files."""
    return pa.schema([arrow_field(one, "ms") for one in table.columns])


def arrow_field(column: Column, unit: Literal["ms", "us"]) -> Any:
    """Arrow field of a column; `unit` is that of instants."""
    # UTC without a zone in the type: DuckDB needs an extension for zones.
    kind = pa.timestamp(unit) if column.kind == "TIMESTAMP" else _ARROW[column.kind]
    return pa.field(column.name, kind, nullable=not column.is_required)


def arrow_table(table: Table, rows: Sequence[dict[str, Any]]) -> Any:
    """Arrow table of rows, which are fields of records by name."""
    columns = {one.name: [row[one.name] for row in rows] for one in table.columns}
    return pa.table(columns, schema=arrow_schema(table))
