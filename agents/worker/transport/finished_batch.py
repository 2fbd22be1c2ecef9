"""A finished record batch, with the names by which aiokafka's producer asks its own builder of batches.

aiokafka is pinned for that reason, and a test compares both, byte by byte.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, Final

from aiokafka.record.util import calc_crc32c

_CHECKSUM: Final = Struct(">I")
_CHECKSUM_AT: Final = 17
_COVERED_FROM: Final = 21
"""The checksum covers all from here on, the producer with it."""
_PRODUCER: Final = Struct(">qhi")
_PRODUCER_AT: Final = 43


class FinishedBatch:
    """Bytes of a record batch of format 2 that lack producer and checksum, and how many records they hold."""

    def __init__(self, batch: bytearray, record_count: int) -> None:
        self._batch = batch
        self._record_count = record_count
        self._is_checked = False

    def closed(self) -> bool:
        """Nothing is ever added."""
        return True

    def close(self) -> None:
        """Do nothing: it is closed."""

    def append(self, **record: Any) -> None:
        """Have no room for a single record that somebody sends to the same partition."""

    def size(self) -> int:
        """Bytes of it."""
        return len(self._batch)

    def record_count(self) -> int:
        """Sequence numbers that it takes."""
        return self._record_count

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        """Say who sends it; aiokafka does so once, in front of the first try: a retry has the same numbers."""
        _PRODUCER.pack_into(self._batch, _PRODUCER_AT, producer_id, producer_epoch, base_sequence)
        self._is_checked = False

    def _build(self) -> bytearray:
        """Bytes to send, with their checksum."""
        if not self._is_checked:
            checksum = calc_crc32c(memoryview(self._batch)[_COVERED_FROM:])
            _CHECKSUM.pack_into(self._batch, _CHECKSUM_AT, checksum)
            self._is_checked = True
        return self._batch
