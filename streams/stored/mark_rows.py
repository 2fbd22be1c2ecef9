"""Rows of marks: the table keeps those that its partition has read, under fingerprints, so that all can read them."""

from __future__ import annotations

from journeys.schemas.codec import plain_codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.marks import decode_mark
from journeys.schemas.records import Mark
from journeys.schemas.rows import MarkRow
from journeys.streams.stored.restored_rows import UnreadableRowError


def mark_row_value(row: MarkRow) -> bytes:
    """Wire bytes of a mark's row."""
    return plain_codec().encode(row)


def mark_of_row(value: bytes) -> tuple[int, Mark]:
    """Offset and mark of a row's wire bytes; raises UnreadableRowError."""
    try:
        row = plain_codec().decode(value)
        if not isinstance(row, MarkRow):
            raise InvalidRecordError("value", type(row).__name__, "a MarkRow")
        return row.offset, decode_mark(row.mark)
    except InvalidRecordError as error:
        raise UnreadableRowError(f"the row of a mark: {error}") from None
