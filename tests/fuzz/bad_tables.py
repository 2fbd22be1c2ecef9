"""Bad Parquet files: columns of the wrong types, values that nobody can hold, no rows at all, spoiled bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from io import BytesIO
from typing import Any

import pyarrow as pa
from pyarrow import parquet

T0 = 1_760_000_000_000
GOOD: dict[str, Any] = {"journey_id": "j", "touchpoint_id": "t", "occurred_at": T0, "cost": "1"}
FIELDS = (*GOOD, "kind", "user_id", "cost_micros", "state", "conversion_probability", "days", "at")
_INSTANT = pa.array([0, T0, -1, 2**62, -(2**62)], pa.int64())
_NARROW = pa.array([0, 1, 2, 3, 4], pa.int32())

# Five values each, of every kind of type that Parquet can hold.
COLUMNS: dict[str, Callable[[], Any]] = {
    "null": lambda: pa.nulls(5),
    "bool": lambda: pa.array([True, False, None, True, False]),
    "int8": lambda: pa.array([0, 1, -1, 127, -128], pa.int8()),
    "uint64": lambda: pa.array([0, 1, T0, 2**63, 2**64 - 1], pa.uint64()),
    "int64": lambda: pa.array([0, T0, -1, 2**63 - 1, -(2**63)], pa.int64()),
    "float16": lambda: pa.array([0.5, 1.0, float("nan"), float("inf"), -0.0], pa.float32()).cast(pa.float16()),
    "float": lambda: pa.array([0.5, 1e-40, float("nan"), float("inf"), -0.0], pa.float32()),
    "double": lambda: pa.array([0.5, 5e-324, float("nan"), float("-inf"), 1.7976931348623157e308]),
    "decimal128": lambda: pa.array([Decimal("0.5"), Decimal("1E+20"), Decimal(-1), None, Decimal("1E-10")]),
    "decimal256": lambda: pa.array(
        [Decimal(10) ** 40, Decimal(1), Decimal(-1), None, Decimal("0.1")], pa.decimal256(70, 20)
    ),
    "text": lambda: pa.array(["j", "", "\x00", "\ufeffj", "x" * 1001]),
    "large text": lambda: pa.array(["1", "NaN", "1e999999999", "sNaN", "2026-01-31T12:00:00Z"], pa.large_string()),
    "text that is no UTF-8": lambda: pa.array([b"j", b"caf\xe9", b"\xed\xa0\x80", b"\xff", b""]).view(pa.string()),
    "dictionary": lambda: pa.array(["j", "k", None, "j", "k"]).dictionary_encode(),
    "bytes": lambda: pa.array([b"j", b"", b"\xff", None, b"\x00"]),
    "fixed bytes": lambda: pa.array([b"abcd"] * 5, pa.binary(4)),
    "date": lambda: _NARROW.view(pa.date32()),
    "time": lambda: _NARROW.view(pa.time32("ms")),
    "duration": lambda: _INSTANT.view(pa.duration("ms")),
    "seconds": lambda: _INSTANT.view(pa.timestamp("ms")),
    "seconds with a zone": lambda: _INSTANT.view(pa.timestamp("ms", "UTC")),
    "microseconds with a zone": lambda: _INSTANT.view(pa.timestamp("us", "Europe/Berlin")),
    "nanoseconds": lambda: _INSTANT.view(pa.timestamp("ns")),
    "nanoseconds with a zone": lambda: _INSTANT.view(pa.timestamp("ns", "+02:00")),
    "a zone that nobody knows": lambda: _INSTANT.view(pa.timestamp("us", "Nowhere/Land")),
    "list": lambda: pa.array([[1], [], None, [1, 2], [None]]),
    "list of lists": lambda: pa.array([[[1]], [], None, [[]], [[None]]]),
    "struct": lambda: pa.array([{"a": 1}, None, {"a": None}, {"a": 2}, {"a": 3}]),
    "map": lambda: pa.array([[("a", 1)], [], None, [("b", None)], []], pa.map_(pa.string(), pa.int64())),
}


def good_parquet() -> list[bytes]:
    """Valid files to begin with."""
    return [file_of({})]


def bad_parquet() -> dict[str, bytes]:
    """Every file by its name."""
    return dict(
        [
            *_spoiled(),
            *((f"{field} of {name}", file_of({field: make()})) for field in FIELDS for name, make in COLUMNS.items()),
        ]
    )


def table_of(choices: bytes) -> bytes:
    """Write a file of columns as bytes choose them: for each field its type, and from which of the five values on."""
    makers = list(COLUMNS.values())
    columns: dict[str, Any] = {}
    for field, kind, first in zip(FIELDS, choices[::2], choices[1::2], strict=False):
        if kind < len(makers):
            column = makers[kind]()
            columns[field] = pa.concat_arrays([column[first % 5 :], column[: first % 5]])
    return file_of(columns)


def chosen_tables() -> dict[str, bytes]:
    """Choices of bad tables: every type for every field."""
    return {
        f"{field} of {name}": bytes(2 * place).replace(b"\x00", b"\xff") + bytes([kind, 0])
        for place, field in enumerate(FIELDS)
        for kind, name in enumerate(COLUMNS)
    }


def _spoiled() -> Iterator[tuple[str, bytes]]:
    whole = file_of({})
    yield "empty", b""
    yield "magic alone", b"PAR1"
    yield "magic twice", b"PAR1PAR1"
    yield "text", b"journey_id,touchpoint_id\n"
    yield "cut off", whole[:-100]
    yield "without its head", whole[100:]
    yield "a footer of 4 gibibytes", whole[:-8] + b"\xff\xff\xff\xff" + b"PAR1"
    yield "a footer of nothing", whole[:-8] + bytes(4) + b"PAR1"
    yield "a column's name that is no UTF-8", whole.replace(b"journey_id", b"journey\xc3id")
    yield "data spoiled", whole[:4] + b"\xff" * 60 + whole[64:]
    schema = pa.schema([(name, pa.string()) for name in GOOD])
    with BytesIO() as out:
        parquet.ParquetWriter(out, schema).close()
        yield "no row groups", out.getvalue()
    yield "a row group without rows", _written(schema.empty_table())
    yield "no columns that are known", _written(pa.table({"colour": ["blue"] * 3}))
    yield "no columns", _written(pa.table({}))
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["journey_id", "journey_id"])
    yield "a column twice", _written(twice)


def file_of(columns: dict[str, Any]) -> bytes:
    """Write a file of five good rows, with columns put in the place of theirs."""
    good = {name: pa.array([value] * 5) for name, value in GOOD.items()}
    if "cost_micros" in columns:
        del good["cost"]
    return _written(pa.table(good | columns))


def _written(table: Any) -> bytes:
    with BytesIO() as out:
        parquet.write_table(table, out)
        return out.getvalue()
