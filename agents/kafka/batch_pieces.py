"""Finds the records in the stream of a batch, and gives them in pieces of whole records."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiokafka.errors import CorruptRecordException

from journeys.schemas.codec import MAX_RECORD_BYTES
from journeys.schemas.cut_value import CutValue

if TYPE_CHECKING:
    from journeys.agents.kafka.batch_stream import Stream

PIECE_BYTES: Final = 8 * 1024 * 1024
"""Most bytes of records that are unpacked at a time, and of records that one call of a consumer gives of a partition:
twice what a batch may have on the wire (MAX_MESSAGE_BYTES), so one that is not compressed is never cut."""
_LONGEST_NUMBER: Final = 10
_KEPT_KEY_BYTES: Final = 64 * 1024
"""Of the key of a record that is cut: as many as a dead letter shows, and more than any journey's id has."""
_NO_NAME: Final = "\ufffd"
"""Stands for the name of a header that is no UTF-8."""


class UnpackedRecord(NamedTuple):
    """A record, with the names that aiokafka has for its parts."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    checksum: None = None


class Piece(NamedTuple):
    """Whole records of a batch, one behind the other as they lie in one, with their count and the last one's offset.

    Or one record, of which parts were left out.
    """

    records: bytes
    record_count: int
    last_offset: int
    cut: UnpackedRecord | None = None


class Splitter:
    """Finds the records in a stream of them."""

    def __init__(self, batch: Any, read: bytes, stream: Stream) -> None:
        """`read` is what has been read of the stream."""
        self._batch = batch
        self._read = read
        self._stream = stream

    def pieces(self, count: int) -> Iterator[Piece]:
        """So many records, in pieces. Raises ValueError and what the stream raises."""
        given = 0
        while given < count:
            at, found = 0, 0
            while found < count - given:
                behind = self._behind(at)
                if behind is None or behind > len(self._read):
                    break
                last, at, found = at, behind, found + 1
            if found:
                yield Piece(self._read[:at], found, self._heading(last)[1])
                self._read = self._read[at:]
            elif behind is not None and behind > PIECE_BYTES:
                cut = self._cut_record(behind)
                yield Piece(b"", 1, cut.offset, cut)
                found = 1
            elif not self._more():
                raise ValueError("the last record is cut off")
            given += found
        if self._read or self._more():
            raise ValueError("there are bytes behind the last record")

    def records(self, count: int, from_index: int) -> Iterator[UnpackedRecord]:
        """Of so many records that have been read those from an index on; a header's name may be anything."""
        at = 0
        for index in range(count):
            behind = self._behind(at)
            if behind is None or behind > len(self._read):
                raise CorruptRecordException("the last record is cut off")
            if index >= from_index:
                yield self._whole_record(at, behind)
            at = behind

    def _more(self) -> bool:
        more = self._stream.read(PIECE_BYTES)
        self._read += more
        return bool(more)

    def _behind(self, at: int) -> int | None:
        """Where the record that begins at an index ends; None where its length has not been read in full."""
        try:
            length, begin = _number(self._read, at)
        except IndexError:
            return None
        if length < 0:
            raise ValueError("a record of a length below zero")
        return begin + length

    def _heading(self, at: int) -> tuple[int, int, int]:
        """Timestamp and offset of the record that begins at an index, and where its key does."""
        _, at = _number(self._read, at)
        _, at = _number(self._read, at)  # attributes, of which there are none
        later, at = _number(self._read, at)
        delta, at = _number(self._read, at)
        batch = self._batch
        timestamp = batch.max_timestamp if batch.timestamp_type else batch.first_timestamp + later
        return timestamp, batch.base_offset + delta, at

    def _whole_record(self, at: int, end: int) -> UnpackedRecord:
        timestamp, offset, at = self._heading(at)
        parts: list[bytes | None] = []
        count, names = 2, ["key", "value"]
        while len(parts) < len(names):
            length, at = _number(self._read, at)
            if at + length > end:
                raise CorruptRecordException(f"the record at offset {offset} is longer than it says")
            parts.append(None if length < 0 else self._read[at : at + length])
            at += max(length, 0)
            if len(parts) == 2:
                count, at = _number(self._read, at)
                names += ["name", "value"] * min(max(count, 0), end - at)
        headers = [(_name(name or b""), value) for name, value in zip(parts[2::2], parts[3::2], strict=True)]
        return UnpackedRecord(offset, timestamp, self._batch.timestamp_type, parts[0], parts[1], headers)

    def _cut_record(self, end: int) -> UnpackedRecord:
        """The record that begins with what has been read and ends behind it, with the beginnings of key and value.

        Its headers are left out.
        """
        timestamp, offset, at = self._heading(0)
        left = _Left(self._read[at:], self._stream, end - at)
        key = left.part(_KEPT_KEY_BYTES)
        value = left.part(MAX_RECORD_BYTES + 1)
        self._read = left.behind()
        cut = None if value is None else value.beginning
        if value is not None and value.size > MAX_RECORD_BYTES:
            cut = CutValue.of(value.beginning, value.size, value.sha256)
        return UnpackedRecord(offset, timestamp, self._batch.timestamp_type, key and key.beginning, cut, [])


class _Part(NamedTuple):
    beginning: bytes
    size: int
    sha256: str


class _Left:
    """What is left of a record that is longer than what has been read."""

    def __init__(self, read: bytes, stream: Stream, size: int) -> None:
        self._read = read
        self._stream = stream
        self._size = size

    def part(self, kept_bytes: int) -> _Part | None:
        """Take a key or value; None for a null."""
        while len(self._read) < min(_LONGEST_NUMBER, self._size):
            self._read += self._next()
        length, at = _number(self._read, 0)
        self._took(at)
        if length < 0:
            return None
        beginning, hashed = bytearray(), sha256()
        left = length
        while left:
            if not self._read:
                self._read = self._next()
            some = self._read[:left]
            beginning += some[: kept_bytes - len(beginning)]
            hashed.update(some)
            left -= len(some)
            self._took(len(some))
        return _Part(bytes(beginning), length, hashed.hexdigest())

    def behind(self) -> bytes:
        """Pass over the rest of the record, and give what has been read behind it."""
        while self._size > len(self._read):
            self._took(len(self._read))
            self._read = self._next()
        self._took(self._size)
        return self._read

    def _took(self, size: int) -> None:
        self._read = self._read[size:]
        self._size -= size
        if self._size < 0:
            raise ValueError("a record is longer than it says")

    def _next(self) -> bytes:
        some = self._stream.read(PIECE_BYTES)
        if not some:
            raise ValueError("the last record is cut off")
        return some


def _number(read: bytes, at: int) -> tuple[int, int]:
    """A number as records have it, zigzag and 7 bits in a byte, and where it ends. Raises IndexError at the end."""
    number = 0
    for place in range(_LONGEST_NUMBER):
        byte = read[at + place]
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at + place + 1
    raise ValueError("a number of more than 64 bits")


def _name(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return _NO_NAME
