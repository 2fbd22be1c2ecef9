"""Reads files of lines (JSONL, CSV, Parquet) as records with line numbers."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, NoReturn

from journeys.schemas.codec import MAX_RECORD_BYTES
from journeys.schemas.expected_error import ExpectedError
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.lines import FIELDS, parse_line
from journeys.schemas.records import ClockCorrected, InputRecord, Punctuation

_STANDARD_INPUT = "-"
_PARQUET_ROWS = 8192
# Values that Python can't represent: text that is not UTF-8, times after the year 9999, an unknown zone (LookupError).
_UNREPRESENTABLE = (ValueError, OverflowError, LookupError)


class UnreadableFileError(ExpectedError):
    """A file can't be read at all; the text says which and why."""


@dataclass(slots=True)
class BadLine:
    """A line that is not a valid record."""

    number: int
    error: InvalidRecordError


class LineFile:
    """A file of lines. Line numbers begin at 1; in CSV the header is line 1, in Parquet the first row."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._suffix = Path(path).suffix.lower()
        if path != _STANDARD_INPUT and not Path(path).is_file():
            raise UnreadableFileError(f"{path}: no such file")

    def records(
        self, parse: Callable[[object], InputRecord] = parse_line
    ) -> Iterator[tuple[int, InputRecord] | BadLine]:
        """Yield each line as its number and record, or as a BadLine. Raises UnreadableFileError.

        `parse_unvalidated` as `parse`: values are validated by whoever appends the records.
        """
        for number, line in self._lines():
            try:
                if isinstance(line, InvalidRecordError):
                    raise line
                record = parse(line)
            except InvalidRecordError as error:
                yield BadLine(number, error)
            else:
                yield number, record

    def has_punctuations(self) -> bool:
        """Whether the file keeps its own time, by punctuations or corrections; reads it up to the first one."""
        own_time = Punctuation | ClockCorrected
        return any(isinstance(line, tuple) and isinstance(line[1], own_time) for line in self.records())

    def size_bytes(self) -> int | None:
        """Size of the file; None for standard input."""
        return None if self.path == _STANDARD_INPUT else Path(self.path).stat().st_size

    def _lines(self) -> Iterator[tuple[int, Any]]:
        if self._suffix in (".parquet", ".pq"):
            return self._parquet()
        if self._suffix == ".csv":
            return self._csv()
        return self._jsonl()

    def _jsonl(self) -> Iterator[tuple[int, Any]]:
        if self.path == _STANDARD_INPUT:
            yield from _json_lines(sys.stdin.buffer)
            return
        with Path(self.path).open("rb") as source:
            yield from _json_lines(source)

    def _csv(self) -> Iterator[tuple[int, Any]]:
        with Path(self.path).open(encoding="utf-8-sig", errors="surrogateescape", newline="") as source:
            csv.field_size_limit(MAX_RECORD_BYTES)  # a longer cell than the default is a bad line, not a bad file
            reader = csv.DictReader(source, restkey="(columns without a header)")
            try:
                for line in reader:
                    yield reader.line_num, line
            except csv.Error as error:
                raise UnreadableFileError(f"{self.path}: line {reader.line_num}: not CSV: {error}") from None

    def _parquet(self) -> Iterator[tuple[int, Any]]:
        from pyarrow import ArrowException  # noqa: PLC0415  (takes a third of a second, and only Parquet needs it)
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415  (the same)

        number = 0
        try:
            with ParquetFile(self.path) as source:
                # Unknown columns are not read: they may hold values that Python can't represent.
                known = [name for name in source.schema_arrow.names if name in FIELDS]
                for batch in source.iter_batches(_PARQUET_ROWS, columns=known or None):
                    for line in parquet_lines(batch):
                        number += 1
                        yield number, line
        except (
            ArrowException,
            OSError,
            ValueError,
        ) as error:  # ValueError: for example a column name that is not UTF-8
            raise UnreadableFileError(f"{self.path}: not Parquet: {error}") from None


def parquet_lines(batch: Any) -> Iterator[Any]:
    """Rows of a record batch; an InvalidRecordError replaces a row that Python can't represent."""
    from pyarrow import timestamp  # noqa: PLC0415  (already loaded by the caller)

    for index, column in enumerate(batch.schema):
        if str(column.type).startswith("timestamp[ns"):  # datetime has no nanoseconds; finer input is floored
            floored = batch.column(index).cast(timestamp("us", column.type.tz), safe=False)
            batch = batch.set_column(index, column.name, floored)
    try:
        lines = batch.to_pylist()
    except _UNREPRESENTABLE:
        lines = [_parquet_line(batch.slice(row, 1)) for row in range(batch.num_rows)]
    yield from lines


def _parquet_line(batch: Any) -> Any:
    try:
        return batch.to_pylist()[0]
    except _UNREPRESENTABLE as error:
        return InvalidRecordError("row", None, f"values that Python can represent ({type(error).__name__}: {error})")


def _json_lines(source: IO[bytes]) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(source, start=1):
        text = line.strip()
        if not text:
            continue
        try:
            yield number, _JSON.decode(text.decode(json.detect_encoding(text), "surrogatepass"))
        except InvalidRecordError as error:
            yield number, error
        except (ValueError, RecursionError, ArithmeticError) as error:
            yield number, InvalidRecordError("line", text[:40], f"a JSON object ({error})")


def _no_constant(name: str) -> NoReturn:
    raise InvalidRecordError("number", name, "a finite number")


# Decimals, so that dollars come in exactly; NaN and Infinity are no JSON.
_JSON = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant)
