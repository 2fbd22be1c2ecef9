"""History as columns: the deciding fields of each record, as arrays for the compiled engine.

Parquet files with simple column types are read column by column. Other files, and batches that contain a value which
can't be checked by columns, are read line by line, as a replay reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import pyarrow as pa
from pyarrow.parquet import ParquetFile

from journeys.agents.files.unreadable import UnreadableFileError
from journeys.agents.history.line_files import BadLine, LineFile, parquet_lines
from journeys.agents.history.line_table import RAW
from journeys.agents.history.touchpoint_columns import DECIDING, takes_schema, touchpoint_columns
from journeys.agents.mapping.record_sql import FAULT
from journeys.agents.settings.operation_error import OperationError
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.lines import FIELDS, parse_line
from journeys.schemas.records import (
    REASONS,
    SIGNALS,
    STATES,
    ClockCorrected,
    InputRecord,
    JourneyCommand,
    JourneyRecord,
    JourneyRegistered,
    JourneySignal,
    Punctuation,
    Touchpoint,
)

if TYPE_CHECKING:
    from journeys.agents.history.open_history import HistoryFile
    from journeys.agents.history.table_file import TableFile

ABSENT: Final = -1
_TOUCHPOINT, _REGISTRATION, _SIGNAL, _ABANDON, _EXTEND = range(5)
_BATCH_ROWS: Final = 131_072
_LINES: Final = 8_192
_STATE_NUMBERS: Final = {None: 0} | {state: number for number, state in enumerate(STATES, start=1)}
_SCHEMA: Final = pa.schema(
    {
        "journey_id": pa.large_string(),
        "id": pa.large_string(),
        "occurred_at": pa.int64(),
        "state": pa.uint8(),
        "cost_micros": pa.int64(),
        "conversion_probability": pa.float64(),
        "conversion_value_micros": pa.int64(),
        "kind": pa.uint8(),
        "reason": pa.uint8(),
        "timeout_ms": pa.int64(),
        "inactivity_ms": pa.int64(),
        "budget_micros": pa.int64(),
        "extend_by_ms": pa.int64(),
        "segment": pa.large_string(),
    }
)
_NUMBERS: Final = ("occurred_at", "state", "cost_micros", "conversion_probability", "conversion_value_micros")
REQUESTS: Final = ("kind", "reason", "timeout_ms", "inactivity_ms", "budget_micros", "extend_by_ms")

NO_PUNCTUATIONS: Final = (
    "a punctuation: a backtest takes history without time of its own, and makes it from the records as a replay does; "
    "leave punctuations out, or use journeys replay"
)

OnBadLine: TypeAlias = Callable[[BadLine], None]


class HistoryBatch(NamedTuple):
    """Lines of a log. Ids are large_string; `numbers` and `requests` hold arrays by name, without nulls.

    An absent probability is NaN, an absent amount or duration `ABSENT`, an absent state 0 (others: their index plus 1).
    `requests` is None where all lines are touchpoints. `segments` is large_string, with empty text for a line without
    one; None where no line has one.
    """

    journey_ids: pa.Array
    ids: pa.Array
    numbers: dict[str, pa.Array]
    requests: dict[str, pa.Array] | None
    segments: pa.Array | None


def history_batches(file: HistoryFile, on_bad_line: OnBadLine) -> Iterator[HistoryBatch]:
    """Batches of a file's valid lines, in order; `on_bad_line` gets each bad one.

    Raises UnreadableFileError, and OperationError for a line that a backtest can't use.
    """
    if not isinstance(file, LineFile):
        return _one_ahead(_table_batches(file, on_bad_line))
    if file.source.format != "parquet":
        return line_batches(file.name, file.records(), on_bad_line)
    return _one_ahead(_parquet_batches(file, on_bad_line))


def _table_batches(file: TableFile, on_bad_line: OnBadLine) -> Iterator[HistoryBatch]:
    """Batches of a table: by columns, but for those with a row that has to be looked at by itself."""
    for line in file.bad_rows():
        on_bad_line(line)
    if file.has_punctuations():
        raise OperationError(f"{file.name}: {NO_PUNCTUATIONS}")
    place = 0
    for batch in file.batches():
        place += batch.num_rows
        faults = batch.column(FAULT) if FAULT in batch.schema.names else pa.nulls(batch.num_rows)
        good = batch
        if faults.null_count < batch.num_rows:
            for line in file.left_out_of(batch):
                on_bad_line(line)
            good = batch.filter(pa.compute.is_null(faults))
        has_raw = RAW in batch.schema.names and batch.column(RAW).null_count < batch.num_rows
        columns = None if has_raw else touchpoint_columns(good.select(_deciding(good)))
        if columns is not None:
            journey_ids, ids, numbers, segments = columns
            yield HistoryBatch(journey_ids, ids, numbers, None, segments)
        else:
            yield from line_batches(file.name, file.batch_records(good, place - batch.num_rows), on_bad_line)


def _deciding(batch: pa.RecordBatch) -> list[str]:
    return [name for name in batch.schema.names if name in DECIDING]


def _one_ahead(batches: Iterator[HistoryBatch]) -> Iterator[HistoryBatch]:
    """The same batches, with the next one read in another thread: Arrow does not hold the GIL."""
    with ThreadPoolExecutor(1, thread_name_prefix="history") as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch


def _parquet_batches(file: LineFile, on_bad_line: OnBadLine) -> Iterator[HistoryBatch]:
    path = file.path
    try:
        with ParquetFile(path) as source:
            if not takes_schema(source.schema_arrow):
                yield from line_batches(file.name, file.records(), on_bad_line)
                return
            deciding = [name for name in source.schema_arrow.names if name in DECIDING]
            lines = _ParquetLines(path)
            row = 0
            for batch in source.iter_batches(_BATCH_ROWS, columns=deciding):
                columns = touchpoint_columns(batch)
                if columns is None:
                    yield from line_batches(file.name, lines.records(row, batch.num_rows), on_bad_line)
                else:
                    journey_ids, ids, numbers, segments = columns
                    yield HistoryBatch(journey_ids, ids, numbers, None, segments)
                row += batch.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableFileError(f"{path}: not Parquet: {error}") from None


class _ParquetLines:
    """Lines of a Parquet file, for the rows that can't be read by columns; reads only forward."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._batches: Iterator[pa.RecordBatch] | None = None
        self._row = 0
        self._held: pa.RecordBatch | None = None

    def records(self, first: int, count: int) -> Iterator[tuple[int, InputRecord] | BadLine]:
        """Yield `count` lines from the row `first` on, as LineFile.records does."""
        number = first
        for line in islice(self._lines(first), count):
            number += 1
            try:
                if isinstance(line, InvalidRecordError):
                    raise line
                yield number, parse_line(line)
            except InvalidRecordError as error:
                yield BadLine(number, error)

    def _lines(self, first: int) -> Iterator[Any]:
        if self._batches is None:
            source = ParquetFile(self._path)
            known = [name for name in source.schema_arrow.names if name in FIELDS]
            self._batches = source.iter_batches(_LINES, columns=known)
        while True:
            if self._held is None:
                self._held = next(self._batches, None)
                if self._held is None:
                    return
            end = self._row + self._held.num_rows
            if end > first:
                yield from parquet_lines(self._held.slice(max(0, first - self._row)))
            self._row, self._held = end, None


def line_batches(
    name: str, lines: Iterable[tuple[int, InputRecord] | BadLine], on_bad_line: OnBadLine
) -> Iterator[HistoryBatch]:
    """Batches of the lines of `name`, or of records of a topic's partition, in order; raises as `history_batches`."""
    rows: list[tuple[Any, ...]] = []
    for line in lines:
        if isinstance(line, BadLine):
            on_bad_line(line)
            continue
        number, record = line
        if isinstance(record, Touchpoint | JourneyRegistered | JourneySignal | JourneyCommand):
            rows.append(_row(record))
        elif isinstance(record, Punctuation | ClockCorrected):
            raise OperationError(f"{name}: line {number}: {NO_PUNCTUATIONS}")
        if len(rows) == _LINES:
            yield _batch(rows)
            rows = []
    if rows:
        yield _batch(rows)


def _batch(rows: list[tuple[Any, ...]]) -> HistoryBatch:
    columns = {
        field.name: pa.array(column, field.type) for field, column in zip(_SCHEMA, zip(*rows, strict=True), strict=True)
    }
    kinds = {row[7] for row in rows}
    return HistoryBatch(
        columns["journey_id"],
        columns["id"],
        {name: columns[name] for name in _NUMBERS},
        None if kinds == {_TOUCHPOINT} else {name: columns[name] for name in REQUESTS},
        columns["segment"] if any(row[-1] for row in rows) else None,
    )


def _row(record: JourneyRecord) -> tuple[Any, ...]:
    """A record in the order of `_SCHEMA`."""
    journey_id, at = record.journey_id, record.occurred_at
    if isinstance(record, Touchpoint):
        probability, value_micros = record.conversion_probability, record.conversion_value_micros
        return (
            *(journey_id, record.touchpoint_id, at, _STATE_NUMBERS[record.state], record.cost_micros),
            *(float("nan") if probability is None else probability, _or_absent(value_micros)),
            *_request(_TOUCHPOINT),
            record.segment or "",
        )
    no_touchpoint = (at, 0, 0, float("nan"), ABSENT)
    if isinstance(record, JourneyRegistered):
        overrides = (record.timeout_ms, record.inactivity_ms, record.budget_micros)
        request = _request(_REGISTRATION, 0, *map(_or_absent, overrides))
        return (journey_id, "", *no_touchpoint, *request, record.segment or "")
    command_id = record.command_id or ""
    if isinstance(record, JourneySignal):
        request = _request(_SIGNAL, REASONS.index(SIGNALS[record.signal]))
    elif record.command == "extend":
        request = _request(_EXTEND, extend_by_ms=record.extend_by_ms or 0)
    else:
        request = _request(_ABANDON, REASONS.index(record.reason or "MANUAL_TERMINATION"))
    return (journey_id, command_id, *no_touchpoint, *request, "")


def _request(
    kind: int,
    reason: int = 0,
    timeout_ms: int = ABSENT,
    inactivity_ms: int = ABSENT,
    budget_micros: int = ABSENT,
    extend_by_ms: int = 0,
) -> tuple[int, ...]:
    return kind, reason, timeout_ms, inactivity_ms, budget_micros, extend_by_ms


def _or_absent(value: int | None) -> int:
    return ABSENT if value is None else value
