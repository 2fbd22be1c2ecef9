"""Compressed record batches unpacked in pieces, so that memory does not depend on what somebody packed.

A batch of 50 KB may unpack to gigabytes. aiokafka unpacks it whole, twice over, and then makes all of its records. Here
a batch comes in pieces of whole records, each of at most 8 MiB. A record that is longer by itself can only be a
dead letter: it is given with the beginning of its value, which is hashed on the way.

Nothing is decided here: which records there are, and what is in them, does not depend on the pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from struct import Struct
from types import FunctionType, MethodType
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords

from journeys.agents.kafka.batch_pieces import PIECE_BYTES, Piece, Splitter
from journeys.agents.kafka.batch_stream import unpacked

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
            stream = unpacked(packed, codec)
            records = stream.read(PIECE_BYTES)
            if len(records) < PIECE_BYTES:
                yield Piece(records, count, self._batch.next_offset - 1)
            else:
                yield from Splitter(self._batch, records, stream).pieces(count)
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
            yield from Splitter(self._batch, piece.records, BytesIO()).records(piece.record_count, given)


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
