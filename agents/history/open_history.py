"""Opens files as history: as they stand, or sorted by time, with or without a mapping."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from journeys.agents.files.source_file import SourceFile, regular_files
from journeys.agents.files.unreadable import UnreadableFileError
from journeys.agents.history.line_files import LineFile
from journeys.schemas.lines import FIELDS

if TYPE_CHECKING:
    from journeys.agents.history.table_file import TableFile

Order: TypeAlias = Literal["time", "logged"]
HistoryFile: TypeAlias = "LineFile | TableFile"
_MEMORY_MIB: Final = 1024


@contextmanager
def open_history(
    paths: Sequence[str], *, mapping: str | None = None, order: Order | None = None, memory_mib: int = _MEMORY_MIB
) -> Iterator[HistoryFile]:
    """Give the records of files, of all files of folders, or of standard input (`-`).

    `mapping` is a file or the name of a preset. Without an `order`, what is mapped, CSV and Parquet are sorted by time;
    one file of JSON lines is a log and read as it stands, and so is a file with places or punctuations of its own.
    Raises UnreadableFileError, InvalidMappingError.
    """
    with regular_files(paths) as files:
        if mapping is None and len(files) == 1:
            file = files[0]
            is_log = file.format == "jsonl" and file.encoding != "utf-16" and order != "time"
            if is_log or _stands_as_it_is(file, order):
                yield LineFile(file)
                return
        with _table(files, mapping, order, memory_mib) as table:
            yield table


@contextmanager
def _table(
    files: Sequence[SourceFile], mapping: str | None, order: Order | None, memory_mib: int
) -> Iterator[TableFile]:
    from journeys.agents.files.raw_table import RawTable, connection  # noqa: PLC0415  (a log needs no DuckDB)
    from journeys.agents.history.line_table import LineTable  # noqa: PLC0415  (the same)
    from journeys.agents.history.table_file import TableFile  # noqa: PLC0415  (the same)
    from journeys.agents.mapping.mapped_table import MappedTable, shape_of  # noqa: PLC0415  (the same)
    from journeys.agents.mapping.mapping_file import load_mapping  # noqa: PLC0415  (the same)

    loaded = None if mapping is None else load_mapping(mapping)
    with connection(memory_mib) as database:
        if loaded is not None:
            raw = RawTable(database, files, shape_of(loaded.mapping))
            yield TableFile(raw, MappedTable(raw, loaded), as_logged=order == "logged")
            return
        raw = RawTable(database, files, only=FIELDS | {"offset", "source_offset", "kafka_offset"})
        _require_zones(raw)
        lines = LineTable(raw)
        as_logged = order == "logged" or (order is None and lines.is_log())
        yield TableFile(raw, lines, as_logged=as_logged)


def _require_zones(raw: Any) -> None:
    """Refuse timestamps of which nobody says the zone, once and not row by row; an export of the topics is UTC."""
    for name in ("occurred_at", "at"):
        column = raw.columns.get(name)
        if column is None or not column.kind.startswith("TIMESTAMP") or "ZONE" in column.kind:
            continue
        if {"cost_micros", "conversion_value_micros", "touchpoint_id"} <= raw.columns.keys():
            continue  # what `journeys export` writes
        raise UnreadableFileError(
            f"{raw.files[0].name}: the timestamps of {name} say no zone: a mapping says which, "
            f'{name} = {{ column = "{name}", zone = "UTC" }}; `journeys inspect --write` writes one'
        )


def _stands_as_it_is(file: SourceFile, order: Order | None) -> bool:
    """Whether a table need not be sorted: it is asked for as it is, or Parquet in the order of time already."""
    if file.format == "csv":
        return order == "logged"
    return file.format == "parquet" and (order == "logged" or _is_in_order(file))


def _is_in_order(file: SourceFile) -> bool:
    from pyarrow import ArrowException, types  # noqa: PLC0415  (takes a third of a second)
    from pyarrow import compute as pc  # noqa: PLC0415  (the same)
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415  (the same)

    try:
        with ParquetFile(file.path) as source:
            schema = source.schema_arrow
            if "occurred_at" not in schema.names or schema.names.count("occurred_at") > 1:
                return False
            kind = schema.field("occurred_at").type
            if not (types.is_integer(kind) or (types.is_timestamp(kind) and kind.tz is not None)):
                return False
            greatest = None
            for batch in source.iter_batches(131_072, columns=["occurred_at"]):
                column = batch.column(0).cast("int64")
                if column.null_count or not len(column):
                    return False
                first, last = column[0].as_py(), column[len(column) - 1].as_py()
                later = pc.greater_equal(column.slice(1), column.slice(0, len(column) - 1))
                if (greatest is not None and first < greatest) or not pc.all(later, min_count=0).as_py():
                    return False
                greatest = last
            return greatest is not None
    except (ArrowException, OSError, ValueError) as error:
        raise UnreadableFileError(f"{file.name}: not Parquet: {error}") from None
