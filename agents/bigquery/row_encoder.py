"""Encodes rows for the Storage Write API: protocol buffers with a message type made from a table's columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from journeys.analytics.table import Kind, Table

_FIELD: Final = descriptor_pb2.FieldDescriptorProto
_TYPES: Final[dict[Kind, int]] = {
    "STRING": _FIELD.TYPE_STRING,
    "INTEGER": _FIELD.TYPE_INT64,
    "FLOAT": _FIELD.TYPE_DOUBLE,
    "BOOLEAN": _FIELD.TYPE_BOOL,
    "BYTES": _FIELD.TYPE_BYTES,
    "TIMESTAMP": _FIELD.TYPE_INT64,  # microseconds
}
_US_PER_MS: Final = 1_000


class RowEncoder:
    """Encodes the rows of one table. `descriptor` describes the message type to BigQuery."""

    def __init__(self, table: Table) -> None:
        self.descriptor = descriptor_pb2.DescriptorProto(name="Row")
        for number, column in enumerate(table.columns, 1):
            self.descriptor.field.add(
                name=column.name, number=number, type=_TYPES[column.kind], label=_FIELD.LABEL_OPTIONAL
            )
        file = descriptor_pb2.FileDescriptorProto(name=f"{table.name}.proto", syntax="proto2")
        file.message_type.append(self.descriptor)
        pool = descriptor_pool.DescriptorPool()
        pool.Add(file)
        self._message = message_factory.GetMessageClass(pool.FindMessageTypeByName("Row"))
        self._names = [column.name for column in table.columns]
        self._instants = {column.name for column in table.columns if column.kind == "TIMESTAMP"}

    def encode(self, fields: Mapping[str, Any]) -> bytes:
        """Encode one row, which is a record's fields by name: instants in milliseconds, null as None."""
        values = {name: fields[name] for name in self._names if fields[name] is not None}
        for name in self._instants & values.keys():
            values[name] *= _US_PER_MS
        encoded: bytes = self._message(**values).SerializeToString()
        return encoded
