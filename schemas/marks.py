"""Marks: records of the input topic that say how other records of their partition are read.

`OffsetSkipped` makes the record at an offset a dead letter. `SchemaDecided` says what a schema id means. A mark also
holds for records in front of it, so whoever reads a partition collects its marks first, by their header.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from journeys.schemas.catalog import MARK_RECORDS, Catalog, WriterSchema, read_schema, unreadable
from journeys.schemas.codec import plain_codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import Mark, OffsetSkipped, SchemaDecided
from journeys.schemas.validation import LONGEST_TEXT

MARK_HEADER: Final = "mark"
"""Name of the Kafka header of every mark; its value is the name of the mark's record."""
LONGEST_MARK_BYTES: Final = 512 * 1024
"""Longest value of a mark: its row of the table must fit one message."""
_LARGEST_ID: Final = 2**32 - 1


def mark_value(mark: Mark) -> bytes:
    """Wire bytes of a mark, under the fingerprint of its schema: reading a mark must not need another one.

    Raises InvalidRecordError for a mark that no reader would take.
    """
    value = plain_codec().encode(mark)
    _check(mark, value)
    return value


def mark_headers(mark: Mark) -> list[tuple[str, bytes]]:
    """Kafka headers of a mark."""
    return [(MARK_HEADER, type(mark).__name__.encode())]


def decode_mark(value: bytes) -> Mark:
    """Mark of its wire bytes; raises InvalidRecordError where they are none."""
    if len(value) > LONGEST_MARK_BYTES:
        raise InvalidRecordError("value", f"{len(value)} bytes", f"a mark of at most {LONGEST_MARK_BYTES} bytes")
    mark = plain_codec().decode(value)
    if type(mark).__name__ not in MARK_RECORDS:
        raise InvalidRecordError("value", type(mark).__name__, "one of " + ", ".join(MARK_RECORDS))
    _check(mark, value)
    found: Mark = mark
    return found


def marks_among(records: Sequence[Any]) -> Iterator[tuple[int, Mark]]:
    """Offsets and marks among records as Kafka gives them; what has the header and is no mark is left out."""
    for record in _with_header(records):
        if record.value is None:
            continue
        try:
            mark = decode_mark(record.value)
        except InvalidRecordError:
            continue
        if not (isinstance(mark, OffsetSkipped) and mark.offset >= record.offset):
            yield record.offset, mark


def _with_header(records: Sequence[Any]) -> Iterable[Any]:
    find = getattr(records, "with_header", None)
    if find is not None:  # undecoded record batches find them faster than a loop over their records
        return [records[index] for index in find(MARK_HEADER)]
    return [record for record in records if record.headers and any(name == MARK_HEADER for name, _ in record.headers)]


def _check(mark: Mark, value: bytes) -> None:
    if len(value) > LONGEST_MARK_BYTES:
        raise InvalidRecordError("value", f"{len(value)} bytes", f"a mark of at most {LONGEST_MARK_BYTES} bytes")
    if isinstance(mark, OffsetSkipped):
        if mark.offset < 0:
            raise InvalidRecordError("offset", mark.offset, "an offset, from 0 on")
        texts = {"reason": mark.reason, "written_by": mark.written_by}
    else:
        if not 0 <= mark.schema_id <= _LARGEST_ID:
            raise InvalidRecordError("schema_id", mark.schema_id, f"an id from 0 to {_LARGEST_ID}")
        if (mark.schema is None) == (mark.refusal is None):
            raise InvalidRecordError("schema", mark.schema, "a schema or a refusal, one of both")
        texts = {"refusal": mark.refusal, "written_by": mark.written_by}
    for field, text in texts.items():
        if text is not None and len(text) > LONGEST_TEXT:
            raise InvalidRecordError(field, f"{len(text)} characters", f"at most {LONGEST_TEXT} characters")


class Marks:
    """The marks of one partition. Offsets are those of the input topic."""

    def __init__(self, marks: Iterable[tuple[int, Mark]] = ()) -> None:
        self.by_offset: dict[int, Mark] = {}
        """Marks by their own offset."""
        self._skipped: dict[int, int] = {}
        """Offsets that are skipped, with the offset of the first mark that says so."""
        self._decided: dict[int, list[int]] = {}
        """Offsets of the marks about each schema id, ascending."""
        self._offsets: list[int] = []
        self._turns: list[int] = []
        """Offsets from which on records are read otherwise than the one before, ascending."""
        for offset, mark in marks:
            self.add(offset, mark)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.by_offset)

    def add(self, offset: int, mark: Mark) -> None:
        """Take the mark at an offset; one that is known changes nothing."""
        if offset in self.by_offset:
            return
        self.by_offset[offset] = mark
        insort(self._offsets, offset)
        if isinstance(mark, OffsetSkipped):
            if mark.offset not in self._skipped:
                insort(self._turns, mark.offset)
                insort(self._turns, mark.offset + 1)
            self._skipped[mark.offset] = min(offset, self._skipped.get(mark.offset, offset))
        else:
            offsets = self._decided.setdefault(mark.schema_id, [])
            insort(offsets, offset)
            if len(offsets) > 1:  # the first holds for what is in front of it, too
                insort(self._turns, (offset if offset != offsets[0] else offsets[1]) + 1)

    def decides(self, schema_id: int) -> bool:
        """Whether a mark says what an id means; it then does so for all records of the id."""
        return schema_id in self._decided

    def decision(self, schema_id: int, offset: int) -> SchemaDecided | None:
        """The mark for the records of an id at an offset: the last in front of it, else the first behind it."""
        offsets = self._decided.get(schema_id)
        if offsets is None:
            return None
        mark = self.by_offset[offsets[max(0, bisect_left(offsets, offset) - 1)]]
        assert isinstance(mark, SchemaDecided)
        return mark

    def skipped_by(self, offset: int) -> int | None:
        """Offset of the first mark that skips a record. Marks themselves are never skipped."""
        return None if offset in self.by_offset else self._skipped.get(offset)

    def skips_any(self, first: int, last: int) -> bool:
        """Whether a record from one offset to another is skipped."""
        place = bisect_left(self._turns, first)
        return any(turn in self._skipped for turn in self._turns[place : bisect_right(self._turns, last)])

    def skipped(self, offset: int) -> InvalidRecordError | None:
        """The error of a record that a mark skips."""
        at = self.skipped_by(offset)
        if at is None:
            return None
        mark = self.by_offset[at]
        assert isinstance(mark, OffsetSkipped)
        return InvalidRecordError.of_reason(f"offset: {offset} is skipped by the mark at offset {at}: {mark.reason}")

    def next_turn(self, offset: int) -> int | None:
        """First offset behind this one from which on records are read otherwise; None where there is none."""
        place = bisect_right(self._turns, offset)
        return self._turns[place] if place < len(self._turns) else None

    def between(self, begin: int, end: int) -> Iterable[int]:
        """Offsets of marks from `begin` up to and without `end`."""
        return self._offsets[bisect_left(self._offsets, begin) : bisect_left(self._offsets, end)]

    def reading(self, offset: int) -> tuple[int, int]:
        """The same for all records that are read alike, until another mark is added."""
        return bisect_right(self._turns, offset), len(self.by_offset)

    def catalog_at(self, base: Catalog, offset: int) -> Catalog:
        """Schemas of records at an offset, up to the next turn: as marks say, and for all other ids as `base` says."""
        return MarkedCatalog(base, self, offset) if self._decided else base


class MarkedCatalog(Catalog):
    """A catalog in which marks have the last word on their ids."""

    def __init__(self, base: Catalog, marks: Marks, offset: int) -> None:
        # Not the catalog's own: whatever no mark decides is asked of `base`, which may learn more.
        self._base = base
        self._marks = marks
        self._offset = offset

    def id_of(self, name: str) -> int:
        """Wire id under which records of `name` are written."""
        return self._base.id_of(name)

    def knows(self, schema_id: int) -> bool:
        """Whether the id needs no asking."""
        return self._marks.decides(schema_id) or self._base.knows(schema_id)

    def is_fingerprint(self, schema_id: int) -> bool:
        """Whether the id is the fingerprint of one of the project's schemas."""
        return self._base.is_fingerprint(schema_id)

    def writer(self, schema_id: int) -> WriterSchema:
        """Schema under a wire id; raises InvalidRecordError for an unknown or refused one."""
        mark = self._marks.decision(schema_id, self._offset)
        if mark is None:
            return self._base.writer(schema_id)
        found = str(mark.refusal) if mark.schema is None else read_schema(mark.schema)
        if isinstance(found, str):
            raise unreadable(schema_id, found)
        return found
