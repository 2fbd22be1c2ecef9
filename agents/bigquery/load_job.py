"""Load jobs: Parquet into a table. They are free of charge, accept rows of any age, and are atomic."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
from google.cloud import bigquery

from journeys.agents.settings.operation_error import OperationError

_JOB_SECONDS: Final = 3600.0


class NoFilesError(OperationError):
    """The folder has no Parquet files to load."""

    def __init__(self, folder: Path, exported: Path) -> None:
        super().__init__(f"{folder} has no Parquet files: write them with journeys export --folder {exported}")


def append(client: Any, target: str, file: IO[bytes]) -> None:
    """Append the rows of a Parquet file to an existing table, and wait for the job."""
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET,
        write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
        create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
    )
    file.seek(0)
    client.load_table_from_file(file, target, job_config=config, timeout=_JOB_SECONDS).result(timeout=_JOB_SECONDS)


def in_utc(schema: Any) -> Any:
    """Schema with UTC as the zone of all instants: BigQuery loads instants without a zone as DATETIME."""
    return pa.schema(
        [
            field.with_type(pa.timestamp(field.type.unit, "UTC")) if pa.types.is_timestamp(field.type) else field
            for field in schema
        ]
    )
