"""A first fill of the tables with all of `journeys export`, touchpoints included."""

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
    """Rows that were loaded, by table. `absurd` rows lie before 1990 or too far ahead, and are left out."""

    rows: dict[str, int]
    absurd: int


def fill(client: Any, house: Warehouse, folder: Path, wanted: Sequence[Table]) -> FillRun:
    """Load the files of some tables, each file in one job that comes whole or not at all.

    Tables must exist. Rows are added to those that are there, and views show each id once. Raises NoFilesError before
    anything is loaded.
    """
    files = {table.name: sorted((folder / table.name).glob("*.parquet")) for table in wanted}
    missing = [name for name, found in files.items() if not found]
    if missing:
        raise NoFilesError(folder / missing[0], folder)
    rows = dict.fromkeys(files, 0)
    absurd = 0
    for table in wanted:
        for file in files[table.name]:
            loaded, left_out = _loaded(client, f"{house.path}.{table.name}", file, table.partition_by)
            rows[table.name] += loaded
            absurd += left_out
    return FillRun(rows, absurd)


def _loaded(client: Any, target: str, file: Path, partition_by: str) -> tuple[int, int]:
    with tempfile.TemporaryFile() as told:
        loaded, left_out = _with_zone(file, told, partition_by)
        append(client, target, told)
    return loaded, left_out


def _with_zone(file: Path, told: IO[bytes], partition_by: str) -> tuple[int, int]:
    """Write the rows of a file once more, instants with their zone.

    Gives how many were written, and how many were not, for their time would make a partition that nobody wants.
    """
    instant = pa.timestamp("ms", "UTC")
    first = pa.scalar(EARLIEST, instant)
    end = pa.scalar(latest_loadable(now_ms()), instant)
    loaded = 0
    with pq.ParquetFile(file) as found:
        schema = in_utc(found.schema_arrow)
        with pq.ParquetWriter(told, schema) as writer:
            for batch in found.iter_batches():
                rows = batch.cast(schema)
                at = rows[partition_by]
                kept = rows.filter(pc.and_(pc.greater_equal(at, first), pc.less(at, end)))
                writer.write_batch(kept)
                loaded += kept.num_rows
        return loaded, found.metadata.num_rows - loaded
