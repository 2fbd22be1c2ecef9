"""The wire format: byte 0, schema id in 4 bytes big-endian, Avro binary (Confluent's)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from io import BytesIO
from typing import Any, NamedTuple, TypeVar

from fastavro import schemaless_reader, schemaless_writer

from journeys.schemas import records, rows
from journeys.schemas.catalog import INPUT_RECORDS, Catalog, WriterSchema, own_schemas
from journeys.schemas.columns import WORTHWHILE, PackedLongs, bodies_of, columns_of, whole_arrays_of
from journeys.schemas.cut_value import size_of
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import InputRecord, Touchpoint
from journeys.schemas.valid_columns import are_valid
from journeys.schemas.validation import LONGEST_TEXT, check_lengths, validate

HEADER_BYTES = 5
# Record size is the one limit that decides an outcome: it is part of the contract, not a setting.
MAX_RECORD_BYTES = 1024 * 1024
_MAGIC = b"\x00"
# No other thread runs while a call into C lasts: this takes it 5 ms.
_AT_ONCE = 1_000

_TUPLES: dict[str, type[tuple[Any, ...]]] = {
    name: getattr(records, name, None) or getattr(rows, name) for name in own_schemas() if name != "JourneyRow"
}
Coded = TypeVar("Coded", bound=NamedTuple)


class Codec:
    """Encodes and decodes records under a catalog. Holds no state of its own but headers."""

    def __init__(self, catalog: Catalog | None = None) -> None:
        self.catalog = catalog or Catalog()

    def encode(self, record: Any) -> bytes:
        """Wire bytes of one of the project's record tuples."""
        return self.encode_fields(type(record).__name__, record._asdict())

    def encode_fields(self, name: str, fields: dict[str, Any]) -> bytes:
        """Wire bytes of a record given as its name and fields."""
        schema_id = self.catalog.id_of(name)
        out = BytesIO()
        out.write(prefix_of(schema_id))
        schemaless_writer(out, self.catalog.writer(schema_id).parsed, fields)
        return out.getvalue()

    def encode_columns(self, name: str, columns: Sequence[Sequence[Any]]) -> list[bytes]:
        """Wire bytes of records of one name, given as columns in the order of their schema's fields."""
        schema_id = self.catalog.id_of(name)
        writer = self.catalog.writer(schema_id)
        if writer.has_columns and len(columns[0]) >= WORTHWHILE:
            prefix = prefix_of(schema_id)
            return [prefix + body for body in bodies_of(columns, writer.plain_json)]
        rows = zip(*map(_listed, columns), strict=True)
        return [self.encode_fields(name, dict(zip(writer.field_names, row, strict=True))) for row in rows]

    def encode_all(self, records: Sequence[NamedTuple]) -> list[bytes]:
        """Wire bytes of record tuples of one kind."""
        return self.encode_columns(type(records[0]).__name__, list(zip(*records, strict=True))) if records else []

    def decode_fields(self, value: bytes) -> tuple[str, dict[str, Any]]:
        """Name and fields of a record of any schema of the catalog; raises InvalidRecordError."""
        writer = self.catalog.writer(schema_id_of(value))
        try:
            # fastavro believes whatever a length or a count says.
            body, end = writer.bounded.wanted(value, HEADER_BYTES)
            fields = schemaless_reader(BytesIO(body), writer.parsed, writer.reader)
        # fastavro raises what its C code happens to meet on text that is no UTF-8 and on what it can't resolve. What it
        # says names addresses in memory, and a dead letter's reason must be the same live and in replay.
        except Exception:
            raise InvalidRecordError("value", value[:16], f"Avro of {writer.name}, whole and in UTF-8") from None
        # They would be dropped in silence: two records in one value, or fields that the writer's schema does not say.
        if behind := len(value) - end:
            raise InvalidRecordError("value", f"{behind} bytes behind the record", f"Avro of {writer.name} and no more")
        return writer.name, fields

    def decode_all(self, name: str, values: Sequence[bytes]) -> list[Any]:
        """Record tuples that are all of one name, of whatever schema, not validated; raises InvalidRecordError."""
        make: Any = _TUPLES[name]._make  # type: ignore[attr-defined]  # they are NamedTuples
        records: list[Any] = []
        for start in range(0, len(values), _AT_ONCE):
            some = values[start : start + _AT_ONCE]
            columns = self._own_columns(name, some)
            records += map(self.decode, some) if columns is None else map(make, zip(*columns, strict=True))
        return records

    def decode_all_fields(self, name: str, values: Sequence[bytes]) -> list[dict[str, Any]]:
        """Fields of records that are all of one name, of whatever schema; raises InvalidRecordError."""
        columns = self._own_columns(name, values)
        if columns is not None:
            names = self.catalog.writer(self.catalog.id_of(name)).field_names
            return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        return [self.decode_fields(value)[1] for value in values]

    def _own_columns(self, name: str, values: Sequence[bytes]) -> list[list[Any]] | None:
        """Columns of records that are all of the present schema; None where they are to be decoded one by one."""
        schema_id = self.catalog.id_of(name)
        writer = self.catalog.writer(schema_id)
        prefix = prefix_of(schema_id)
        if not writer.has_columns or len(values) < WORTHWHILE or not all(value.startswith(prefix) for value in values):
            return None
        return columns_of([value[HEADER_BYTES:] for value in values], writer.plain_json)

    def decode(self, value: bytes) -> Any:
        """Record tuple of wire bytes, not validated; raises InvalidRecordError."""
        name, fields = self.decode_fields(value)
        if name not in _TUPLES:
            raise InvalidRecordError("value", name, "one of the project's records")
        return _TUPLES[name](**fields)

    def decode_input(self, value: bytes | None) -> InputRecord:
        """Valid record of the input topic; raises InvalidRecordError."""
        record = self.decode_unvalidated(value)
        _check(record, value)  # type: ignore[arg-type]  # a record has bytes
        return record

    def decode_unvalidated(self, value: bytes | None) -> InputRecord:
        """Record of the input topic for a writer of the log, which validates it itself; raises InvalidRecordError."""
        check_frame(value)
        name, fields = self.decode_fields(value)  # type: ignore[arg-type]  # check_frame refuses None
        if name not in INPUT_RECORDS:
            raise InvalidRecordError("value", name, "one of " + ", ".join(INPUT_RECORDS))
        record: InputRecord = _TUPLES[name](**fields)  # type: ignore[assignment]  # by the name's check
        return record

    def decode_inputs(self, values: Sequence[bytes | None]) -> Sequence[InputRecord | InvalidRecordError]:
        """Decode and validate a batch: for each value its record, or the error that it deserves."""
        schema_id = self.catalog.id_of("Touchpoint")
        try:
            writer = self.catalog.writer(schema_id)
        except InvalidRecordError:  # a mark refuses it
            return [self._decoded(value) for value in values]
        prefix = prefix_of(schema_id)
        alike = [
            position
            for position, value in enumerate(values)
            if value is not None and value.startswith(prefix) and len(value) <= MAX_RECORD_BYTES
        ]
        if not (writer.has_columns and writer.is_own) or len(alike) < WORTHWHILE:
            return [self._decoded(value) for value in values]
        if len(alike) == len(values):
            return self._touchpoints(values, writer)
        records: list[Any] = [None] * len(values)
        touchpoints = self._touchpoints([values[position] for position in alike], writer)
        for position, touchpoint in zip(alike, touchpoints, strict=True):
            records[position] = touchpoint
        return [
            self._decoded(value) if record is None else record for record, value in zip(records, values, strict=True)
        ]

    def _touchpoints(self, values: Sequence[Any], writer: WriterSchema) -> Sequence[InputRecord | InvalidRecordError]:
        """Touchpoints of wire bytes that all have the header of their own schema."""
        arrays = whole_arrays_of([value[HEADER_BYTES:] for value in values], writer.plain_json)
        if arrays is None:
            return [self._decoded(value) for value in values]  # one by one finds which it is
        touchpoints = list(map(Touchpoint._make, zip(*(array.to_pylist() for array in arrays), strict=True)))
        if are_valid(arrays) and max(map(len, values)) <= LONGEST_TEXT:
            return touchpoints
        return [_checked(touchpoint, value) for touchpoint, value in zip(touchpoints, values, strict=True)]

    def _decoded(self, value: bytes | None) -> InputRecord | InvalidRecordError:
        try:
            return self.decode_input(value)
        except InvalidRecordError as error:
            return error


@cache
def plain_codec() -> Codec:
    """Codec of fingerprints alone: for records that must be readable whatever a registry says."""
    return Codec()


def _listed(column: Sequence[Any]) -> Sequence[Any]:
    return column.lists() if isinstance(column, PackedLongs) else column


def _checked(record: InputRecord, value: bytes) -> InputRecord | InvalidRecordError:
    try:
        _check(record, value)
    except InvalidRecordError as error:
        return error
    return record


def _check(record: InputRecord, value: bytes) -> None:
    """Raise InvalidRecordError unless the record, of these wire bytes, is allowed."""
    validate(record)
    if len(value) > LONGEST_TEXT:
        check_lengths(record)


def check_frame(value: bytes | None) -> None:
    """Raise InvalidRecordError for a null value, one that is too large, and one without the wire format's prefix."""
    if value is None:
        raise InvalidRecordError("value", None, "a record; this topic is not compacted and has no tombstones")
    if len(value) > MAX_RECORD_BYTES:
        raise InvalidRecordError("value", f"{size_of(value)} bytes", f"at most {MAX_RECORD_BYTES} bytes")
    schema_id_of(value)


def prefix_of(schema_id: int) -> bytes:
    """Head of the wire bytes of a schema's records."""
    return _MAGIC + schema_id.to_bytes(4, "big")


def schema_id_of(value: bytes) -> int:
    """Schema id in the prefix of wire bytes; raises InvalidRecordError where there is no such prefix."""
    if len(value) < HEADER_BYTES or value[:1] != _MAGIC:
        raise InvalidRecordError(
            "value", value[:16], "Avro in Confluent's wire format: byte 0, schema id in 4 bytes, body"
        )
    return int.from_bytes(value[1:HEADER_BYTES], "big")
