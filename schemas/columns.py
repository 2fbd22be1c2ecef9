"""Encodes and decodes many Avro bodies of one schema as columns: a tenth of the time that one by one takes.

Package pyruhvro (Rust) does the work, through Arrow. It is part of the extra `kafka`; without it, and for schemas with
types that it does not know, fastavro does the same one by one.
"""

from __future__ import annotations

import sys
from array import array as numbers
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from itertools import accumulate
from struct import unpack
from typing import Any, Final, TypeVar

Decoded = TypeVar("Decoded")

# Only looked for: loading it takes longer than reading a small file, which does not need it.
IS_INSTALLED = find_spec("pyruhvro") is not None

# Below this many records the columns cost more than they save.
WORTHWHILE: Final = 8
_LONG_BYTES: Final = 8
_KNOWN_TYPES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "string"})


class PackedLongs(list[bytes]):
    """A column of lists of longs, each list as bytes: 8 for a long, big-endian."""

    def lists(self) -> list[list[int]]:
        """The same as lists of numbers."""
        return [list(unpack(f">{len(packed) // _LONG_BYTES}q", packed)) for packed in self]

    def array(self, kind: Any) -> Any:
        """The same as an Arrow array of this type of lists."""
        from pyarrow import Array, ListArray, int32, int64, py_buffer  # noqa: PLC0415  (see IS_INSTALLED)

        longs = numbers("q", b"".join(self))
        if sys.byteorder == "little":
            longs.byteswap()
        bounds = numbers("i", accumulate([len(packed) // _LONG_BYTES for packed in self], initial=0))
        values = Array.from_buffers(int64(), len(longs), [None, py_buffer(longs)])
        return ListArray.from_arrays(Array.from_buffers(int32(), len(bounds), [None, py_buffer(bounds)]), values, kind)


def load() -> None:
    """Load the package now, where it is installed: it takes 0.1 s, which the first call would take otherwise."""
    if IS_INSTALLED:
        import pyarrow  # noqa: F401, PLC0415  (see IS_INSTALLED)
        import pyruhvro  # noqa: F401, PLC0415  (the same)


def has_columns(fields: Sequence[dict[str, Any]]) -> bool:
    """Whether records of these Avro fields can be handled as columns here."""
    return IS_INSTALLED and all(_is_known(field["type"]) for field in fields)


def _is_known(kind: Any) -> bool:
    if isinstance(kind, list):
        return all(_is_known(branch) for branch in kind)
    if isinstance(kind, dict):
        return _is_known(kind["items"] if kind["type"] == "array" else kind["type"])
    return kind in _KNOWN_TYPES


def columns_of(bodies: list[bytes], schema_json: str) -> list[list[Any]] | None:
    """Columns in the order of the schema's fields.

    None where one of the bodies is not Avro of it in its shortest form, not UTF-8, or has bytes behind it: one by one
    tells which and what of it.
    """
    arrays = whole_arrays_of(bodies, schema_json)
    return None if arrays is None else [array.to_pylist() for array in arrays]


def whole_arrays_of(bodies: list[bytes], schema_json: str) -> list[Any] | None:
    """Arrow arrays in the order of the schema's fields; None as `columns_of`."""
    return _unless_damaged(lambda: _whole_arrays(bodies, schema_json))


def _whole_arrays(bodies: list[bytes], schema_json: str) -> list[Any] | None:
    from pyruhvro import deserialize_array, serialize_record_batch  # noqa: PLC0415  (see IS_INSTALLED)

    batch = deserialize_array(bodies, schema_json)
    # It does not say where a body ended. No encoding is shorter than its own, so equal sums are equal lengths.
    again = serialize_record_batch(batch, schema_json, 1)
    if sum(chunk.total_values_length for chunk in again) != sum(map(len, bodies)):
        return None
    arrays: list[Any] = batch.columns
    for array in arrays:
        array.validate(full=True)  # texts are UTF-8: nobody has looked yet
    return arrays


def _unless_damaged(decode: Callable[[], Decoded]) -> Decoded | None:
    """What `decode` gives; None where the bodies are the cause that it can't."""
    try:
        return decode()
    except ValueError:
        return None
    except BaseException as error:
        # Rust's panics come as an exception that no `except Exception` sees; a bad record may be the cause.
        if type(error).__name__ != "PanicException":
            raise
        return None


def bodies_of(columns: Sequence[Sequence[Any]], schema_json: str) -> list[bytes]:
    """Avro bodies of records given as columns, in the order of the schema's fields."""
    from pyarrow import RecordBatch, array, chunked_array  # noqa: PLC0415  (see IS_INSTALLED)
    from pyruhvro import serialize_record_batch  # noqa: PLC0415  (see IS_INSTALLED)

    schema = _arrow_schema(schema_json)
    arrays = [
        column.array(field.type) if isinstance(column, PackedLongs) else array(column, type=field.type)
        for column, field in zip(columns, schema, strict=True)
    ]
    batch = RecordBatch.from_arrays(arrays, schema=schema)
    bodies: list[bytes] = chunked_array(serialize_record_batch(batch, schema_json, 1)).to_pylist()
    return bodies


@cache
def _arrow_schema(schema_json: str) -> Any:
    from pyruhvro import deserialize_array  # noqa: PLC0415  (see IS_INSTALLED)

    return deserialize_array([], schema_json).schema


def arrays_of(bodies: list[bytes], schema_json: str) -> list[Any] | None:
    """Arrow arrays in the order of the schema's fields, for who makes Python's values itself; None as `columns_of`."""
    from pyruhvro import deserialize_array  # noqa: PLC0415  (see IS_INSTALLED)

    return _unless_damaged(lambda: deserialize_array(bodies, schema_json).columns)
