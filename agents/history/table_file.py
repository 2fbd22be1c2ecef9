"""Files as one table in the order of time: what a mapping makes of them, or what is in the line format already."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from journeys.agents.files.raw_table import FILE, LINE, RawTable
from journeys.agents.files.source_file import SourceFile
from journeys.agents.history.line_files import BadLine
from journeys.agents.history.line_table import RAW, LineTable
from journeys.agents.mapping.mapped_table import LeftOut, MappedTable
from journeys.agents.mapping.record_sql import FAULT
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.lines import parse_line
from journeys.schemas.records import InputRecord

_OWN: Final = ("_file", "_line", "_part", "_n", "_shares", FAULT, RAW)


class TableFile:
    """Records of files, sorted by time (stable) unless `as_logged`. The place of a record is its number, from 1.

    Bad lines are told by file and line. Raises UnreadableFileError, InvalidMappingError.
    """

    def __init__(self, raw: RawTable, records: LineTable | MappedTable, *, as_logged: bool) -> None:
        self._raw = raw
        self._records = records
        self._as_logged = as_logged
        self.name = ", ".join(file.name for file in raw.files[:3]) + (", ..." if len(raw.files) > 3 else "")
        self.is_sorted = not as_logged

    @property
    def files(self) -> Sequence[SourceFile]:
        """The files."""
        return self._raw.files

    @property
    def not_taken(self) -> list[LeftOut]:
        """Rows that no rule of the mapping takes."""
        return self._records.not_taken() if isinstance(self._records, MappedTable) else []

    @property
    def unnamed(self) -> list[LeftOut]:
        """Rows of events that the mapping knows only as others."""
        return self._records.unnamed() if isinstance(self._records, MappedTable) else []

    @property
    def skipped(self) -> list[LeftOut]:
        """Rows that the mapping skips."""
        return self._records.skipped() if isinstance(self._records, MappedTable) else []

    @property
    def unspent(self) -> tuple[int, int] | None:
        """Days and micros of daily spend without touchpoints."""
        return self._records.spend_without_touchpoints() if isinstance(self._records, MappedTable) else None

    def has_punctuations(self) -> bool:
        """Whether the records hold time of their own."""
        return isinstance(self._records, LineTable) and self._records.holds_punctuations()

    def size_bytes(self) -> int:
        """Bytes of the files."""
        return sum(Path(file.path).stat().st_size for file in self._raw.files)

    def bad_rows(self) -> Iterator[BadLine]:
        """Rows that could not be read at all."""
        for cell in self._raw.bad:
            yield BadLine(cell.line, InvalidRecordError.of_reason(f"row: {cell.why}"), cell.file)

    def records(
        self, parse: Callable[[object], InputRecord] = parse_line
    ) -> Iterator[tuple[int, InputRecord] | BadLine]:
        """Yield each record with its place, or a BadLine."""
        yield from self.bad_rows()
        place = 0
        for batch in self.batches():
            yield from self.batch_records(batch, place, parse)
            place += batch.num_rows

    def batches(self) -> Iterator[Any]:
        """Record batches in the columns of the line format, with `_fault` or `_raw` for rows that have no values."""
        return self._records.batches(as_logged=self._as_logged)

    def batch_records(
        self, batch: Any, place: int, parse: Callable[[object], InputRecord] = parse_line
    ) -> Iterator[tuple[int, InputRecord] | BadLine]:
        """Records of a batch that stands behind `place` others."""
        names = [name for name in batch.schema.names if name not in _OWN]
        columns = [batch.column(name).to_pylist() for name in names]
        files, lines = batch.column(FILE).to_pylist(), batch.column(LINE).to_pylist()
        faults = batch.column(FAULT).to_pylist() if FAULT in batch.schema.names else [None] * batch.num_rows
        raws = batch.column(RAW).to_pylist() if RAW in batch.schema.names else [None] * batch.num_rows
        for number, cells in enumerate(zip(*columns, strict=True)):
            place += 1
            try:
                fault = faults[number]
                if fault is not None:
                    raise InvalidRecordError.of_reason(fault)
                raw = raws[number]
                yield place, parse(dict(zip(names, cells, strict=True)) if raw is None else json.loads(raw))
            except InvalidRecordError as error:
                yield BadLine(lines[number], error, self._records.file_name(files[number]))

    def left_out_of(self, batch: Any) -> list[BadLine]:
        """Faults of a mapped batch as bad lines."""
        return [line for line in self.batch_records(batch, 0, _nothing) if isinstance(line, BadLine)]


def _nothing(_: object) -> Any:
    return None
