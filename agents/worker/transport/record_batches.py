"""Fetched record batches in one piece: the compiled engine finds the records in them by itself.

Classes of its own stand in for those through which aiokafka hands records over. Which batches count is
still aiokafka's to say: checksums, control batches, aborted transactions, a last batch that is cut off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException

from journeys.agents.kafka.batch_pieces import PIECE_BYTES, Piece, UnpackedRecord
from journeys.agents.kafka.unpacked_batches import RECORDS_AT, UnpackedBatch, UnpackedBatches
from journeys.engine import Records


class WholePiece:
    """A piece of a batch for aiokafka's loop over its records, in which it is one record, at its last offset."""

    def __init__(self, batch: WholeBatch, piece: Piece | None, offset: int) -> None:
        self._batch = batch
        self._piece = piece
        self.offset = offset

    @property
    def size(self) -> int:
        """Bytes that it takes in memory."""
        return self._batch.size if self._piece is None else len(self._piece.records)

    def records(self, from_offset: int) -> Records | list[UnpackedRecord]:
        """Its records from an offset on. Raises CorruptRecordException."""
        piece = self._piece
        if piece is not None and piece.cut is not None:
            return [piece.cut]
        return self._batch.records(piece, from_offset)


class WholeBatch(UnpackedBatch):
    """A batch for aiokafka's loop over its records, in which its pieces are records."""

    def __iter__(self) -> Iterator[Any]:
        if self.is_plain:
            yield WholePiece(self, None, self._batch.next_offset - 1)
            return
        for piece in self.pieces():
            yield WholePiece(self, piece, piece.last_offset)

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return self._end - self._begin

    def records(self, piece: Piece | None, from_offset: int) -> Records:
        """Records from an offset on, those of a piece, or all as they lie in the batch."""
        batch = self._batch
        if piece is None:
            found, begin, end, count = self._fetched, self._begin + RECORDS_AT, self._end, self.count
        else:
            found, begin, end, count = piece.records, 0, len(piece.records), piece.record_count
        append_time = batch.max_timestamp if batch.timestamp_type else None
        try:
            return Records.of_batch(
                found, begin, end, count, batch.base_offset, batch.first_timestamp, append_time, from_offset
            )
        except ValueError as error:
            raise CorruptRecordException(str(error)) from None


class OldBatch:
    """A batch of an older format for aiokafka's loop, in which it is one record, at its last offset."""

    def __init__(self, batch: Any, size: int) -> None:
        self._batch = batch
        self.size = size
        """Bytes on the wire."""

    def __getattr__(self, name: str) -> Any:
        """Give whatever else aiokafka asks of its own batch."""
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        yield self

    @property
    def offset(self) -> int:
        """Its last offset."""
        last: int = self._batch.next_offset - 1
        return last

    def records(self, from_offset: int) -> Records:
        """The records as aiokafka reads them, which gives out none that is not behind the one before."""
        found: list[Any] = []
        for record in self._batch:
            if record.offset >= from_offset:
                from_offset = record.offset + 1
                found.append(record)
        return Records.of_objects(found)


class WholeBatches(UnpackedBatches):
    """Batches of one fetched partition: aiokafka's, each with the bytes that it lies in."""

    def _of_format_2(self, batch: Any, begin: int) -> WholeBatch:
        return WholeBatch(batch, self._fetched, begin, self._at)

    def _of_older_format(self, batch: Any, size: int) -> OldBatch:
        return OldBatch(batch, size)


class WholePartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka publishes no types
    """Gives records by the batch, or as many of them as somebody wants."""

    next_fetch_offset: int
    _records_iterator: Iterator[Records | list[UnpackedRecord]] | None

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._left: Records | list[UnpackedRecord] = Records()
        """Of a piece that was not wanted as a whole, or a record that was cut."""
        self._behind_left = self.next_fetch_offset
        """Position behind that."""
        self._size = 0

    def take(self, most: int | None) -> tuple[Records | list[UnpackedRecord], bool]:
        """Give the next records, and whether nothing is left; `next_fetch_offset` is behind them.

        At most so many, and about as many bytes as a piece has. A record that was cut comes alone.
        """
        found, self._left = self._left, Records()
        self.next_fetch_offset = self._behind_left
        self._size = 0
        while isinstance(found, Records) and not self._is_enough(found, most):
            piece = next(self, None)
            if piece is None:
                return found, True
            if not isinstance(piece, Records):
                if len(found):
                    self._keep(piece, found)
                    return found, False
                found = piece
            elif len(piece):
                found.extend(piece)
        self._behind_left = self.next_fetch_offset
        if isinstance(found, Records) and most is not None and len(found) >= most:
            self._keep(found.split_off(most), found)
        return found, False

    def _is_enough(self, found: Records, most: int | None) -> bool:
        return (most is not None and len(found) >= most) or (self._size >= PIECE_BYTES and len(found) > 0)

    def _keep(self, left: Records | list[UnpackedRecord], found: Records) -> None:
        """Keep what is left for the next time; `found` is given now."""
        self._left, self._behind_left = left, self.next_fetch_offset
        self.next_fetch_offset = found[-1].offset + 1

    def _consumer_record(self, tp: Any, record: Any) -> Records | list[UnpackedRecord]:  # noqa: ARG002  (aiokafka's signature)
        self._size += record.size
        records: Records | list[UnpackedRecord] = record.records(self.next_fetch_offset)
        return records


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
