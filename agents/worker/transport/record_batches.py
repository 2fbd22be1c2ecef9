"""Fetched record batches in one piece: the compiled engine finds the records in them by itself.

Classes of its own stand in for those through which aiokafka hands records over. Which batches count is
still aiokafka's to say: checksums, control batches, aborted transactions, a last batch that is cut off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Any, Final

from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.memory_records import MemoryRecords

from journeys.engine import Records

_INT: Final = Struct(">i")
_LENGTH_AT: Final = 8
_UNCOUNTED: Final = 12
"""Bytes of a batch in front of what its length counts."""
_COUNT_AT: Final = 57
_RECORDS_AT: Final = 61
_FORMAT_AT: Final = 16
_FORMAT: Final = 2
"""Of batches that the engine reads; those of an older one are read by aiokafka."""
_DECODERS: Final = {1: gzip_decode, 2: snappy_decode, 3: lz4_decode, 4: zstd_decode}


class WholeBatch:
    """A batch for aiokafka's loop over its records, in which it is one record, at its last offset."""

    def __init__(self, batch: Any, fetched: bytes, begin: int, end: int) -> None:
        self._batch = batch
        self._fetched = fetched
        self._begin = begin
        self._end = end

    def __getattr__(self, name: str) -> Any:
        """Give whatever else aiokafka asks of its own batch."""
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[WholeBatch]:
        yield self

    def __next__(self) -> Any:
        """Give the next record, of a control batch: it says what was aborted."""
        return next(self._batch)

    @property
    def offset(self) -> int:
        """Its last offset."""
        last: int = self._batch.next_offset - 1
        return last

    def records(self, from_offset: int) -> Records:
        """Its records from an offset on. Raises CorruptRecordException, UnsupportedCodecError."""
        batch = self._batch
        if self._fetched[self._begin + _FORMAT_AT] < _FORMAT:
            return self._objects(from_offset)
        found, begin, end = self._fetched, self._begin + _RECORDS_AT, self._end
        if begin > end:
            raise CorruptRecordException(f"a batch of {end - self._begin} bytes has no room for its header")
        if batch.compression_type:
            found = self._decoded(found[begin:end], batch.compression_type)
            begin, end = 0, len(found)
        (count,) = _INT.unpack_from(self._fetched, self._begin + _COUNT_AT)
        append_time = batch.max_timestamp if batch.timestamp_type else None
        try:
            return Records.of_batch(
                found, begin, end, count, batch.base_offset, batch.first_timestamp, append_time, from_offset
            )
        except ValueError as error:
            raise CorruptRecordException(str(error)) from None

    def _objects(self, from_offset: int) -> Records:
        """The records as aiokafka reads them, which gives out none that is not behind the one before."""
        found: list[Any] = []
        for record in self._batch:
            if record.offset >= from_offset:
                from_offset = record.offset + 1
                found.append(record)
        return Records.of_objects(found)

    def _decoded(self, compressed: bytes, codec: int) -> bytes:
        decode = _DECODERS.get(codec)
        if decode is None:
            raise UnsupportedCodecError(f"the batch at offset {self._batch.base_offset} has the unknown codec {codec}")
        return bytes(decode(compressed))


class WholeBatches:
    """Batches of one fetched partition: aiokafka's, each with the bytes that it lies in."""

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

    def next_batch(self) -> WholeBatch:
        """Give the next one."""
        begin = self._at
        (length,) = _INT.unpack_from(self._fetched, begin + _LENGTH_AT)
        self._at = begin + _UNCOUNTED + length
        return WholeBatch(self._batches.next_batch(), self._fetched, begin, self._at)


class WholePartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka publishes no types
    """Gives records by the batch, or as many of them as somebody wants."""

    next_fetch_offset: int
    _records_iterator: Iterator[Records] | None

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._left = Records()
        """Of a batch that was not wanted as a whole."""
        self._behind_left = self.next_fetch_offset
        """Position behind that batch."""

    def take(self, most: int | None) -> tuple[Records, bool]:
        """Give the next records, at most so many, and whether nothing is left; `next_fetch_offset` is behind them."""
        found, self._left = self._left, Records()
        self.next_fetch_offset = self._behind_left
        while most is None or len(found) < most:
            batch = next(self, None)
            if batch is None:
                return found, True
            found.extend(batch)
        self._left = found.split_off(most)
        self._behind_left = self.next_fetch_offset
        self.next_fetch_offset = found[-1].offset + 1
        return found, False

    def _consumer_record(self, tp: Any, record: WholeBatch) -> Records:  # noqa: ARG002  (aiokafka's signature)
        return record.records(self.next_fetch_offset)


class WholeFetchResult(fetcher.FetchResult):  # type: ignore[misc]  # aiokafka publishes no types
    """Gives all records of a fetch as one thing."""

    _partition_records: WholePartitionRecords | None

    def getall(self, max_records: int | None = None) -> Sequence[Any]:
        """Give the next records; what is damaged is fetched again. Raises what aiokafka's own does."""
        if not self.check_assignment(self._topic_partition) or self._partition_records is None:
            return []
        try:
            records: Sequence[Any]
            records, is_all = self._partition_records.take(max_records)
        except BaseException:
            self._partition_records = None
            raise
        self._update_position()
        if is_all:
            self._partition_records = None
        return records

    def getone(self) -> Any:
        """Raise NotImplementedError: whoever wants single records takes them out of `getall`."""
        raise NotImplementedError("records are fetched by the batch in this process")


def fetch_record_batches() -> None:
    """Make every consumer of this process give whole batches; a worker's process is all its own."""
    fetcher.MemoryRecords = WholeBatches
    fetcher.PartitionRecords = WholePartitionRecords
    fetcher.FetchResult = WholeFetchResult
