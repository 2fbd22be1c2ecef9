"""Reads a file of lines (JSONL, CSV, Parquet) as it stands, as records with line numbers."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final

from journeys.agents.files.csv_rows import BadRow, CsvTable
from journeys.agents.files.source_file import STANDARD_INPUT, SourceFile, source_file
from journeys.agents.files.unreadable import UnreadableFileError
from journeys.schemas.codec import MAX_RECORD_BYTES
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.lines import FIELDS, parse_line
from journeys.schemas.records import ClockCorrected, InputRecord, Punctuation

_PARQUET_ROWS: Final = 8192
# Ten records of the greatest size: what is longer is no line, and would be in memory as a whole.
_LONGEST_LINE: Final = 10 * MAX_RECORD_BYTES
# Values that Python can't represent: text that is not UTF-8, times after the year 9999, an unknown zone (LookupError).
_UNREPRESENTABLE = (ValueError, OverflowError, LookupError)
# The kind itself, or what it could be written with: an escape of JSON, another encoding than UTF-8.
_SIGNS: Final = (b"punctuation", b"clock_corrected", b"\\u", b"\0")


@dataclass(slots=True)
class BadLine:
    """A line that is not a valid record."""

    number: int
    error: InvalidRecordError
    file: str | None = None
    """Where several files are read: whose line it is."""


class LineFile:
    """A file of lines. Line numbers begin at 1; in CSV the header is line 1, in Parquet the first row.

    Raises UnreadableFileError, here and while it is read.
    """

    def __init__(self, source: str | SourceFile) -> None:
        """`source` is a path, `-` for JSONL on standard input, or a file that was looked at."""
        if source == STANDARD_INPUT:
            source = SourceFile(STANDARD_INPUT, "jsonl", name="standard input")
        self.source = source_file(source) if isinstance(source, str) else source
        self.path = self.source.path
        self.name = self.source.name

    @property
    def files(self) -> list[SourceFile]:
        """The file; none for standard input, which is read once."""
        return [] if self.path == STANDARD_INPUT else [self.source]

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
        if self.source.format == "jsonl":
            # Most files hold none, and searching their bytes is a hundred times faster than decoding their records.
            with self.source.open() as source:
                if not any(sign in line for line in source for sign in _SIGNS):
                    return False
        return any(
            isinstance(line, tuple) and isinstance(line[1], Punctuation | ClockCorrected) for line in self.records()
        )

    def size_bytes(self) -> int | None:
        """Size of the file; None for standard input."""
        return None if self.path == STANDARD_INPUT else Path(self.path).stat().st_size

    def _lines(self) -> Iterator[tuple[int, Any]]:
        if self.source.format == "parquet":
            return self._parquet()
        if self.source.format == "csv":
            return self._csv()
        return self._jsonl()

    def _jsonl(self) -> Iterator[tuple[int, Any]]:
        if self.path == STANDARD_INPUT:
            yield from _json_lines(sys.stdin.buffer)
            return
        with self.source.open() as source:
            yield from _json_lines(source)

    def _csv(self) -> Iterator[tuple[int, Any]]:
        with self.source.open() as source:
            text = io.TextIOWrapper(source, self.source.encoding or "utf-8", errors="surrogateescape", newline="")
            table = CsvTable(self.name, text)
            names = table.names
            for row in table.rows():
                if isinstance(row, BadRow):
                    yield row.line, InvalidRecordError.of_reason(f"row: {row.why}")
                else:
                    yield row[0], dict(zip(names, row[1], strict=True))

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
            raise UnreadableFileError(f"{self.name}: not Parquet: {error}") from None


def parquet_lines(batch: Any) -> Iterator[Any]:
    """Rows of a record batch; an InvalidRecordError replaces a row that Python can't represent."""
    from pyarrow import float32, string, timestamp  # noqa: PLC0415  (already loaded by the caller)

    for index, column in enumerate(batch.schema):
        if str(column.type).startswith("timestamp[ns"):  # datetime has no nanoseconds; finer input is floored
            floored = batch.column(index).cast(timestamp("us", column.type.tz), safe=False)
            batch = batch.set_column(index, column.name, floored)
        elif column.type == float32():  # a number counts as its shortest decimal, and Python's floats are wider
            batch = batch.set_column(index, column.name, batch.column(index).cast(string()))
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
    number = 0
    while line := source.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
            while (rest := source.readline(_LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            yield number, InvalidRecordError("line", line[:40], f"a line of at most {_LONGEST_LINE} bytes")
            continue
        text = line.strip()
        if not text:
            continue
        try:
            yield number, _JSON.decode(text.decode(json.detect_encoding(text), "surrogatepass"))
        except (ValueError, RecursionError, ArithmeticError) as error:
            yield number, InvalidRecordError("line", text[:40], f"a JSON object ({error})")


# Decimals, so that dollars come in exactly. NaN and Infinity are no JSON: as floats they are refused where they matter.
_JSON = json.JSONDecoder(parse_float=Decimal, parse_constant=float)
