"""Packed history: Parquet in which the records of each journey are adjacent, in the order of the log.

One row is one record, with its deciding fields as numbers (docs/backtest.md describes the columns). The column `clock`
is independent of the other columns of its row: down the file it holds the distinct values of the log's clock, in
ascending order, the last one repeated; they say when deadlines were noticed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa
from pyarrow.parquet import ParquetFile, ParquetWriter

from journeys.agents.files.unreadable import UnreadableFileError
from journeys.agents.files.whole_file import whole_file
from journeys.agents.history.history_buckets import HistoryBuckets, view, views
from journeys.agents.history.history_columns import REQUESTS

if TYPE_CHECKING:
    from journeys.engine import Clock, Journeys

_KEY: Final = b"journeys_packed"
# Version 1 has no segments.
_VERSION: Final = 2
_SEGMENT: Final = "segment"
_VERSIONS: Final = (1, _VERSION)
GROUP_ROWS: Final = 262_144
_NUMBERS: Final = {
    "occurred_at": pa.int64(),
    "behind_ms": pa.int64(),
    "clock_moves": pa.uint8(),
    "state": pa.uint8(),
    "cost_micros": pa.int64(),
    "conversion_probability": pa.float64(),
    "conversion_value_micros": pa.int64(),
    "repeats": pa.uint32(),
}
_REQUESTS: Final = {name: pa.uint8() if name in ("kind", "reason") else pa.int64() for name in REQUESTS}
# Values of a touchpoint that is in order and no duplicate. A column in which a group has only these is not read.
_COMMON: Final = {"behind_ms": 0, "repeats": 0, "kind": 0}
_SCHEMA: Final = pa.schema(
    [
        pa.field(name, kind, nullable=False)
        for name, kind in (
            ("journey_no", pa.uint32()),
            ("journey_id", pa.dictionary(pa.int32(), pa.large_string())),
            *_NUMBERS.items(),
            *_REQUESTS.items(),
            ("clock", pa.int64()),
        )
    ]
).append(pa.field(_SEGMENT, pa.dictionary(pa.int32(), pa.large_string())))
_ENCODINGS: Final = {"clock": "DELTA_BINARY_PACKED", "occurred_at": "PLAIN", "cost_micros": "PLAIN"}


class Group(NamedTuple):
    """Some journeys, with their ids if requested."""

    journeys: Journeys
    names: pa.Array | None


def names_of(journeys: Journeys) -> pa.Array | None:
    """Ids of journeys from buckets with names, else None."""
    names = journeys.names()
    if names is None:
        return None
    begins, text = map(pa.py_buffer, names)
    return pa.LargeStringArray.from_buffers(len(journeys), begins, text)


def pack(buckets: HistoryBuckets, clock: Clock, path: Path, bad_lines: int, *, group_rows: int = GROUP_ROWS) -> int:
    """Write filled buckets as a packed file, whole or not at all; gives the number of journeys.

    A row group contains whole buckets, and at least `group_rows` rows. Raises OperationError if the file can't be
    written.
    """
    with (
        whole_file(path) as partial,
        ParquetWriter(
            partial,
            _SCHEMA,
            compression="lz4",
            use_dictionary=[name for name in _SCHEMA.names if name not in _ENCODINGS],
            column_encoding=_ENCODINGS,
        ) as writer,
    ):
        journeys = _write(buckets, clock, writer, group_rows)
        facts = {"version": _VERSION, "records": buckets.records, "journeys": journeys, "bad_lines": bad_lines}
        writer.add_key_value_metadata({_KEY: json.dumps(facts).encode()})
    return journeys


def _write(buckets: HistoryBuckets, clock: Clock, writer: ParquetWriter, group_rows: int) -> int:
    from journeys.engine import Journeys  # noqa: PLC0415  (it may not be built)

    held: list[pa.Table] = []
    rows = journeys = 0
    for number in range(buckets.count):
        bucket = Journeys.of_bucket(buckets.take(number))
        table = _table(bucket, journeys, clock, rows)
        journeys += len(bucket)
        rows += table.num_rows
        held.append(table)
        if sum(map(len, held)) >= group_rows:
            _write_group(writer, held)
    _write_group(writer, held)
    return journeys


def _write_group(writer: ParquetWriter, held: list[pa.Table]) -> None:
    if rows := sum(map(len, held)):
        writer.write_table(pa.concat_tables(held).unify_dictionaries(), row_group_size=rows)
    held.clear()


def _table(journeys: Journeys, first: int, clock: Clock, first_row: int) -> pa.Table:
    buffers: dict[str, Any] = journeys.columns(first)
    rows = len(buffers["occurred_at"]) // 8

    def column(name: str, kind: pa.DataType, missing: int = 0) -> pa.Array:
        if not buffers[name]:
            return pa.repeat(pa.scalar(missing, kind), rows)
        return pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(buffers[name])])

    numbers = column("journey_no", pa.uint32())
    local = pa.compute.subtract(numbers, pa.scalar(first, pa.uint32())).cast(pa.int32())
    steps = clock.values(first_row, rows)
    values = pa.Array.from_buffers(pa.int64(), len(steps) // 8, [None, pa.py_buffer(steps)])
    rest = pa.repeat(pa.scalar(clock.greatest or 0, pa.int64()), rows - len(values))
    columns = [
        numbers,
        pa.DictionaryArray.from_arrays(local, names_of(journeys)),
        *(column(name, kind) for name, kind in (_NUMBERS | _REQUESTS).items()),
        pa.concat_arrays([values, rest]),
        _segments_of(journeys.segments(), buffers[_SEGMENT], rows),
    ]
    return pa.Table.from_arrays(columns, schema=_SCHEMA)


def _segments_of(names: list[str], numbers: bytes, rows: int) -> pa.Array:
    """Segments of rows as text, from the places of their names plus one; 0 for none."""
    texts = pa.array(names, pa.large_string())
    if not numbers:
        return pa.DictionaryArray.from_arrays(pa.nulls(rows, pa.int32()), texts)
    places = pa.Array.from_buffers(pa.uint32(), rows, [None, pa.py_buffer(numbers)]).cast(pa.int32())
    indices = pa.compute.if_else(pa.compute.equal(places, 0), None, pa.compute.subtract(places, 1))
    return pa.DictionaryArray.from_arrays(indices.cast(pa.int32()), texts)


class PackedHistory:
    """A packed file. `records`, `journeys` and `bad_lines` count those of the history that was packed.

    To be used by one thread: each opens its own. Raises UnreadableFileError.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._file = ParquetFile(path, memory_map=True)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise UnreadableFileError(f"{path}: not Parquet: {error}") from None
        metadata = (self._file.metadata.metadata or {}).get(_KEY)
        if metadata is None:
            raise UnreadableFileError(f"{path}: not packed by journeys pack")
        facts = json.loads(metadata)
        version = facts.get("version")
        if version not in _VERSIONS:
            raise UnreadableFileError(f"{path}: packed in version {version}, not {_VERSION}: pack it again")
        self.has_segments: bool = version == _VERSION
        self.records: int = facts["records"]
        self.journeys: int = facts["journeys"]
        self.bad_lines: int = facts["bad_lines"]
        self.group_count: int = self._file.num_row_groups
        self._places = {name: place for place, name in enumerate(self._file.schema_arrow.names)}

    def clock(self) -> Clock:
        """The clock of the history's log."""
        from journeys.engine import Clock  # noqa: PLC0415  (it may not be built)

        return Clock(self._clock_parts())

    def _clock_parts(self) -> Iterator[memoryview]:
        for number in range(self.group_count):
            for chunk in self._file.read_row_group(number, columns=["clock"], use_threads=False)["clock"].chunks:
                yield view(chunk)

    def group(self, number: int, *, with_names: bool, with_segments: bool = False) -> Group:
        """Journeys of a group, with their ids and segments if requested."""
        from journeys.engine import Journeys  # noqa: PLC0415  (it may not be built)

        columns = {"journey_no", *_NUMBERS, *_REQUESTS}
        columns -= {name for name, common in _COMMON.items() if self._has_only(number, name, common)}
        if "kind" not in columns:
            columns -= _REQUESTS.keys()
        if with_names:
            columns.add("journey_id")
        if with_segments:
            columns.add(_SEGMENT)
        table = self._file.read_row_group(number, columns=sorted(columns), use_threads=False).combine_chunks()
        arrays = {name: table[name].chunk(0) for name in table.column_names}
        names = arrays.pop("journey_id", None)
        numbers = arrays.pop("journey_no")
        requests = {name: arrays.pop(name) for name in REQUESTS if name in arrays}
        segments = _numbers_of(arrays.pop(_SEGMENT)) if with_segments else None
        journeys = Journeys.of_columns(view(numbers), views(arrays), views(requests) if requests else None, segments)
        if names is not None:
            names = names.take(_firsts(numbers)).cast(pa.large_string())
        return Group(journeys, names)

    def table(self, number: int, columns: list[str]) -> pa.Table:
        """Some columns of a group, as they were packed."""
        return self._file.read_row_group(number, columns=columns, use_threads=False)

    def _has_only(self, number: int, name: str, value: int) -> bool:
        statistics = self._file.metadata.row_group(number).column(self._places[name]).statistics
        return statistics is not None and statistics.has_min_max and statistics.min == statistics.max == value


def _numbers_of(segments: pa.Array) -> tuple[memoryview, list[str]] | None:
    """Places of names plus one, 0 for none, and the names; None where no row has one."""
    if segments.null_count == len(segments):
        return None
    places = pa.compute.fill_null(pa.compute.add(segments.indices, 1), 0).cast(pa.uint32())
    return view(places), segments.dictionary.to_pylist()


def _firsts(numbers: pa.Array) -> pa.Array:
    """Indices of the rows in which another journey begins."""
    others = pa.compute.not_equal(numbers.slice(1), numbers.slice(0, len(numbers) - 1))
    return pa.compute.indices_nonzero(pa.concat_arrays([pa.array([True]), others]))


def is_packed(path: str) -> bool:
    """Whether a file is a packed history; False also for a file that is not Parquet."""
    try:
        with ParquetFile(path) as file:
            return _KEY in (file.metadata.metadata or {})
    except (pa.ArrowException, OSError, ValueError):
        return False
