"""One row of the table as the changelog has it."""

from __future__ import annotations

from typing import NamedTuple

from journeys.schemas.codec import HEADER_BYTES


class StoredRow(NamedTuple):
    """One changelog record: table key, wire bytes (None for a tombstone), input offset that it stands for."""

    key: bytes
    value: bytes | None
    offset: int


def row_offset(value: bytes) -> int:
    """Input offset of a stored row: the first Avro field of every row, read without decoding the rest."""
    position = HEADER_BYTES
    shift = number = 0
    while True:
        byte = value[position]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1)
        shift += 7
        position += 1
