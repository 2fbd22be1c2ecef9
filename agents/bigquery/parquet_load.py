"""Loads Parquet files of `journeys export` into tables: a load job is free of charge, and takes rows of any age."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from google.cloud import bigquery

from agents.bigquery.client import Warehouse
from agents.operation_error import OperationError
from analytics.table import Table

_JOB_SECONDS: Final = 3600.0


class NoFilesError(OperationError):
    """The folder has no files of a table that is to be loaded."""


def load(client: Any, house: Warehouse, folder: Path, wanted: Sequence[Table]) -> dict[str, int]:
    """Load the files of some tables, each file in one job that comes whole or not at all; gives rows by table.

    Tables must exist. Rows are added to those that are there, and views show each id once. Raises NoFilesError before
    anything is loaded.
    """
    files = {table.name: sorted((folder / table.name).glob("*.parquet")) for table in wanted}
    missing = [name for name, found in files.items() if not found]
    if missing:
        raise NoFilesError(
            f"{folder / missing[0]} has no Parquet files: write them with journeys export --folder {folder}"
        )
    rows = {}
    for table in wanted:
        target = f"{house.path}.{table.name}"
        rows[table.name] = sum(_loaded(client, target, file) for file in files[table.name])
    return rows


def _loaded(client: Any, target: str, file: Path) -> int:
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET,
        write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
        create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
    )
    with tempfile.TemporaryFile() as told:
        count = _with_zone(file, told)
        told.seek(0)
        client.load_table_from_file(told, target, job_config=config, timeout=_JOB_SECONDS).result(timeout=_JOB_SECONDS)
    return count


def _with_zone(file: Path, told: IO[bytes]) -> int:
    """Write the rows of a file once more, instants as UTC: BigQuery takes one without a zone for a local time."""
    with pq.ParquetFile(file) as found:
        schema = pa.schema([_in_utc(field) for field in found.schema_arrow])
        with pq.ParquetWriter(told, schema) as writer:
            for batch in found.iter_batches():
                writer.write_batch(batch.cast(schema))
        return int(found.metadata.num_rows)


def _in_utc(field: Any) -> Any:
    return field.with_type(pa.timestamp(field.type.unit, "UTC")) if pa.types.is_timestamp(field.type) else field
