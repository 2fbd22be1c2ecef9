"""Exports the topics as Parquet files, one folder for each table."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from journeys.agents.kafka.log_reader import open_log
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.analytics.table import Column, Table, all_tables
from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.marks import Marks
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.partition.log_entries import marked_inputs

_FILE: Final = "rows.parquet"
_ARROW = {
    "STRING": pa.string(),
    "INTEGER": pa.int64(),
    "FLOAT": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "BYTES": pa.binary(),
}


async def export(settings: Settings, folder: Path) -> dict[str, int]:
    """Write the present records of the topics, as delivered, and replace an earlier export; gives row counts by table.

    Unreadable records are left out. Raises OperationError for a folder that holds other files, which would be deleted
    with the earlier export, UnknownTopicError, ReaderStalledError, KafkaUnreachableError,
    RegistryUnreachableError.
    """
    _require_export_or_nothing(folder)
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    codec = Codec()
    rows = {}
    for table in all_tables():
        (part / table.name).mkdir(parents=True)
        rows[table.name] = 0
        async with open_log(settings, table.topic, catalog=codec.catalog) as log:
            with pq.ParquetWriter(part / table.name / _FILE, arrow_schema(table)) as writer:
                for number in range(log.partition_count):
                    marks = await log.marks(number) if table.topic == JOURNEY_EVENTS else Marks()
                    async for batch in log.read_partition(number, marks=marks):
                        batch_rows = list(rows_of(codec, table, batch.records, marks))
                        writer.write_table(arrow_table(table, batch_rows))
                        rows[table.name] += len(batch_rows)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return rows


def _require_export_or_nothing(folder: Path) -> None:
    others = [path for path in folder.glob("**/*") if path.is_file() and path.name != _FILE]
    if others:
        raise OperationError(f"{folder} holds {others[0].name}, which no export wrote: use a folder of its own")


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


def rows_of(codec: Codec, table: Table, records: Sequence[Any], marks: Marks) -> Iterator[dict[str, Any]]:
    """Rows of a table among records of its topic; other records and unreadable ones are left out.

    `marks` are those of the records' partition, if it is one of the input topic.
    """
    if table.topic == JOURNEY_EVENTS:
        # Input that would become a dead letter is left out, too.
        for record in marked_inputs(records, codec, marks):
            if type(record).__name__ == table.record:
                yield record._asdict()  # type: ignore[union-attr]  # the name says that it is a record
        return
    for record in records:
        try:
            name, fields = codec.decode_fields(record.value or b"")
        except InvalidRecordError:
            continue
        if name == table.record:
            yield fields
