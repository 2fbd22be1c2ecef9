"""Fills the tables for the first time with the files of `journeys export`, touchpoints included."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from journeys.agents.bigquery.client import Warehouse
from journeys.agents.bigquery.event_time import latest_loadable
from journeys.agents.bigquery.load_job import NoFilesError, append, in_utc
from journeys.analytics.table import Table
from journeys.clock import now_ms
from journeys.schemas.instants import EARLIEST


class FillRun(NamedTuple):
    """Rows loaded, by table. `absurd` rows are before 1990 or too far in the future, and left out."""

    rows: dict[str, int]
    absurd: int


def fill(client: Any, warehouse: Warehouse, folder: Path, wanted: Sequence[Table]) -> FillRun:
    """Load the files of some tables, each file in one atomic job.

    The tables must exist. Rows are added to existing ones; views show each id once. Raises NoFilesError before anything
    is loaded.
    """
    files = {table.name: sorted((folder / table.name).glob("*.parquet")) for table in wanted}
    missing = [name for name, paths in files.items() if not paths]
    if missing:
        raise NoFilesError(folder / missing[0], folder)
    rows = dict.fromkeys(files, 0)
    absurd = 0
    for table in wanted:
        for file in files[table.name]:
            loaded, left_out = _loaded(client, f"{warehouse.path}.{table.name}", file, table.partition_by)
            rows[table.name] += loaded
            absurd += left_out
    return FillRun(rows, absurd)


def _loaded(client: Any, target: str, file: Path, partition_by: str) -> tuple[int, int]:
    with tempfile.TemporaryFile() as converted:
        loaded, left_out = _convert(file, converted, partition_by)
        append(client, target, converted)
    return loaded, left_out


def _convert(file: Path, converted: IO[bytes], partition_by: str) -> tuple[int, int]:
    """Copy the rows of a file, with UTC as the zone of instants, and without rows of absurd times.

    Gives the numbers of rows copied and left out.
    """
    instant = pa.timestamp("ms", "UTC")
    first = pa.scalar(EARLIEST, instant)
    end = pa.scalar(latest_loadable(now_ms()), instant)
    loaded = 0
    with pq.ParquetFile(file) as source:
        schema = in_utc(source.schema_arrow)
        with pq.ParquetWriter(converted, schema) as writer:
            for batch in source.iter_batches():
                rows = batch.cast(schema)
                at = rows[partition_by]
                kept = rows.filter(pc.and_(pc.greater_equal(at, first), pc.less(at, end)))
                writer.write_batch(kept)
                loaded += kept.num_rows
        return loaded, source.metadata.num_rows - loaded
