"""Compressed record batches unpacked in pieces, so that memory does not depend on what somebody packed.

A batch of 50 KB may unpack to gigabytes. aiokafka unpacks it whole, twice over, and then makes all of its records. Here
a batch comes in pieces of whole records, each of at most 8 MiB. A record that is longer by itself can only be a
dead letter: it is given with the beginning of its value, which is hashed on the way.

Nothing is decided here: which records there are, and what is in them, does not depend on the pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from struct import Struct
from types import FunctionType, MethodType
from typing import Any, Final, NamedTuple, Protocol

import pyarrow as pa
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords

from journeys.schemas.codec import MAX_RECORD_BYTES
from journeys.schemas.cut_value import CutValue

PIECE_BYTES: Final = 8 * 1024 * 1024
"""Most bytes of records that are unpacked at a time, and of records that one call of a consumer gives of a partition:
twice what a batch may have on the wire (MAX_MESSAGE_BYTES), so one that is not compressed is never cut."""
RECORDS_AT: Final = 61
"""Bytes of a batch of format 2 in front of its records."""
COUNT_AT: Final = 57
UNCOUNTED: Final = 12
"""Bytes of a batch in front of what its length counts."""
LENGTH_AT: Final = 8
INT: Final = Struct(">i")
_ATTRIBUTES_AT: Final = 22
_CODEC_BITS: Final = 0x07
_LAST_DELTA_AT: Final = 23
_FORMAT_AT: Final = 16
_FORMAT: Final = 2
"""Of batches that have records as here; those of an older one, which no broker writes any more, are aiokafka's."""
_SNAPPY: Final = 2
_STREAMED: Final = {1: "gzip", 3: "lz4", 4: "zstd"}
_LONGEST_NUMBER: Final = 10
_KEPT_KEY_BYTES: Final = 64 * 1024
"""Of the key of a record that is cut: as many as a dead letter shows, and more than any journey's id has."""
_NO_NAME: Final = "\ufffd"
"""Stands for the name of a header that is no UTF-8."""


class Stream(Protocol):
    """What is unpacked, from its beginning to its end."""

    def read(self, size: int) -> bytes:
        """Give the next bytes, so many unless the end comes before."""


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


class UnpackedBatches:
    """Batches of one fetched partition, as aiokafka's MemoryRecords; their records come in pieces."""

    def __init__(self, fetched: bytes) -> None:
        self._fetched = fetched
        self._batches = MemoryRecords(fetched)
        self._at = 0

    def has_next(self) -> bool:
        """Whether there is one more that is whole."""
        has_next: bool = self._batches.has_next()
        return has_next

    def size_in_bytes(self) -> int:
        """Bytes of all."""
        return len(self._fetched)

    def next_batch(self) -> Any:
        """Give the next one."""
        begin = self._at
        (length,) = INT.unpack_from(self._fetched, begin + LENGTH_AT)
        self._at = begin + UNCOUNTED + length
        batch = self._batches.next_batch()
        if self._fetched[begin + _FORMAT_AT] < _FORMAT:
            return self._of_older_format(batch, self._at - begin)
        return self._of_format_2(batch, begin)

    def _of_format_2(self, batch: Any, begin: int) -> UnpackedBatch:
        return UnpackedBatch(batch, self._fetched, begin, self._at)

    def _of_older_format(self, batch: Any, size: int) -> Any:  # noqa: ARG002  (who takes its records as one wants to know)
        return batch


class UnpackedBatch:
    """A batch for aiokafka's loop over its records. Iterating raises CorruptRecordException, UnsupportedCodecError."""

    def __init__(self, batch: Any, fetched: bytes, begin: int, end: int) -> None:
        self._batch = batch
        self._fetched = fetched
        self._begin = begin
        self._end = end

    def __getattr__(self, name: str) -> Any:
        """Give whatever else aiokafka asks of its own batch."""
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        """Give the next record, of a control batch: it says what was aborted."""
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        if self.is_plain:
            yield from self._records_of(Piece(self._fetched[self._begin + RECORDS_AT : self._end], self.count, 0))
            return
        for piece in self.pieces():
            if piece.cut is None:
                yield from self._records_of(piece)
            else:
                yield piece.cut

    @property
    def count(self) -> int:
        """Records, by its header."""
        count: int = INT.unpack_from(self._fetched, self._begin + COUNT_AT)[0]
        return max(0, count)

    @property
    def is_plain(self) -> bool:
        """Whether its records lie in it as they are, and are one piece. Raises CorruptRecordException."""
        size = self._end - self._begin - RECORDS_AT
        if size < 0:
            raise CorruptRecordException(f"a batch of {size + RECORDS_AT} bytes has no room for its header")
        return not self._batch.compression_type and size < PIECE_BYTES

    def pieces(self) -> Iterator[Piece]:
        """Its records."""
        count = self.count
        packed = memoryview(self._fetched)[self._begin + RECORDS_AT : self._end]
        codec = self._batch.compression_type
        try:
            stream = _unpacked(packed, codec)
            records = stream.read(PIECE_BYTES)
            if len(records) < PIECE_BYTES:
                yield Piece(records, count, self._batch.next_offset - 1)
            else:
                yield from _Splitter(self._batch, records, stream).pieces(count)
        except (OSError, ValueError, IndexError) as error:
            raise CorruptRecordException(
                f"the batch at offset {self._batch.base_offset} can't be unpacked: {error}"
            ) from None

    def _records_of(self, piece: Piece) -> Iterator[Any]:
        head = bytearray(self._fetched[self._begin : self._begin + RECORDS_AT])
        head[_ATTRIBUTES_AT] &= ~_CODEC_BITS
        INT.pack_into(head, COUNT_AT, piece.record_count)
        INT.pack_into(head, LENGTH_AT, RECORDS_AT - UNCOUNTED + len(piece.records))
        records = iter(DefaultRecordBatch(bytes(head) + piece.records))
        given = 0
        try:
            for record in records:
                yield record
                given += 1
        except UnicodeDecodeError:  # the name of a header, which is no business of ours
            yield from _Splitter(self._batch, piece.records, BytesIO()).records(piece.record_count, given)


class _Splitter:
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


class BoundedFetchResult(fetcher.FetchResult):  # type: ignore[misc]  # aiokafka publishes no types
    """Gives the records of a fetch, with each call no more bytes than a piece has."""

    _partition_records: Any

    def getall(self, max_records: int | None = None) -> list[Any]:
        """Give the next records."""
        if not self.check_assignment(self._topic_partition) or not self.has_more():
            return []
        found: list[Any] = []
        size = 0
        for record in self._partition_records:
            found.append(record)
            size += len(record.value or b"") + len(record.key or b"")
            if len(found) == max_records or size >= PIECE_BYTES:
                self._update_position()
                return found
        self._update_position()
        self._partition_records = None
        return found


_CLASSES: Final = {
    "MemoryRecords": UnpackedBatches,
    "PartitionRecords": fetcher.PartitionRecords,
    "FetchResult": BoundedFetchResult,
}


class UnpackingConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka publishes no types
    """An AIOKafkaConsumer that unpacks batches in pieces. Other consumers of the process stay as they are."""

    @property
    def _fetcher(self) -> Any:
        return self._made_fetcher

    @_fetcher.setter
    def _fetcher(self, made: Any) -> None:
        if made is not None:
            # Those that make results, and those that ask whether they are results.
            for method in ("_proc_fetch_request", "next_record", "fetched_records"):
                function: Any = getattr(type(made), method)
                own = FunctionType(function.__code__, function.__globals__ | _CLASSES, method, function.__defaults__)
                own.__kwdefaults__ = function.__kwdefaults__
                setattr(made, method, MethodType(own, made))
        self._made_fetcher = made


def unpack_in_pieces_everywhere() -> None:
    """Have every consumer of this process unpack batches in pieces; a worker's process is all its own."""
    for name, replacement in _CLASSES.items():
        setattr(fetcher, name, replacement)


def _unpacked(packed: memoryview, codec: int) -> Stream:
    if codec == 0:
        return BytesIO(packed)
    if codec == _SNAPPY:
        return _SnappyStream(bytes(packed))
    name = _STREAMED.get(codec)
    if name is None:
        raise UnsupportedCodecError(f"a batch has the unknown codec {codec}")
    stream: Stream = pa.CompressedInputStream(pa.py_buffer(packed), name)
    return stream


class _SnappyStream:
    """Blocks of snappy: those that Java's library writes, of 32 KiB each, or one for all."""

    _JAVAS: Final = b"\x82SNAPPY\x00"
    _JAVAS_HEAD_BYTES: Final = 16
    # A copy of up to 64 bytes takes three.
    _MOST_FOR_A_BYTE: Final = 64

    def __init__(self, packed: bytes) -> None:
        self._blocks = self._split(packed)
        self._read = b""
        self._codec = pa.Codec("snappy")

    def read(self, size: int) -> bytes:
        """Give the next bytes, so many unless the end comes before."""
        parts = [self._read]
        length = len(self._read)
        while length < size:
            block = next(self._blocks, None)
            if block is None:
                break
            parts.append(self._unpack(block))
            length += len(parts[-1])
        found = b"".join(parts)
        self._read = found[size:]
        return found[:size]

    def _split(self, packed: bytes) -> Iterator[bytes]:
        if not packed.startswith(self._JAVAS):
            yield packed
            return
        at = self._JAVAS_HEAD_BYTES
        while at < len(packed):
            (length,) = INT.unpack_from(packed, at)
            at += INT.size
            if not 0 <= length <= len(packed) - at:
                raise ValueError("a block of snappy is cut off")
            yield packed[at : at + length]
            at += length

    def _unpack(self, block: bytes) -> bytes:
        size = 0
        for place in range(5):  # of 32 bits, 7 in a byte
            size |= (block[place] & 0x7F) << 7 * place
            if block[place] < 0x80:
                break
        if size > self._MOST_FOR_A_BYTE * len(block):
            raise ValueError(f"a block of {len(block)} bytes says that it unpacks to {size}")
        found: bytes = self._codec.decompress(block, decompressed_size=size, asbytes=True)
        return found


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
