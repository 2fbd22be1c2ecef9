"""Messages for Kafka as Arrow arrays, which leave as finished record batches (format 2): no object for any of them.

The records of a batch are put together by Arrow, all at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from struct import Struct
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from journeys.schemas.arrays import Integers

_HEADING: Final = Struct(">qiibIhiqqqhii")
_UNCOUNTED: Final = 12
"""Bytes in front of what the batch's own length counts."""
_LEADER_EPOCH, _MAGIC, _CHECKSUM, _ATTRIBUTES, _NOT_SET = -1, 2, 0, 0, -1
_LAST_BYTE: Final = 0x7F
_TABLE_SIZE: Final = 1 << 14
# Attributes, the timestamp less the batch's, headers: each a byte.
_FIXED_BYTES: Final = 3


class ArrowMessages:
    """Messages in order. All keys have a prefix and all values a head in front; `offsets` are those of rows."""

    def __init__(self, prefix: bytes, keys: Any, head: bytes, bodies: Any, offsets: Integers | None = None) -> None:
        self._prefix, self._keys = prefix, keys
        self._head, self._bodies = head, bodies
        self._offsets = offsets
        self._key_lengths = pc.binary_length(keys).to_numpy().astype(np.int64) + len(prefix)
        self._value_lengths = pc.binary_length(bodies).to_numpy().astype(np.int64) + len(head)

    def record_batch(self, begin: int, most_bytes: int, timestamp: int) -> tuple[bytearray, int]:
        """Record batch, without producer and checksum, of as many messages from `begin` on as fit, at least one.

        `timestamp` (ms) is that of all of them. Gives also the index behind the last one. Raises ValueError where
        there is no message.
        """
        if not 0 <= begin < len(self):
            raise ValueError(f"there is no message {begin}")
        keys, values = self._key_lengths[begin:], self._value_lengths[begin:]
        deltas = np.arange(len(keys))
        lengths = _FIXED_BYTES + _size(deltas) + _size(keys) + keys + _size(values) + values
        until = _HEADING.size + np.cumsum(_size(lengths) + lengths)
        count = max(1, int(np.searchsorted(until, most_bytes)))
        records = pc.binary_join_element_wise(
            _longs(lengths[:count]),
            b"\0\0",
            _longs(deltas[:count]),
            _longs(keys[:count]),
            self._prefix,
            self._keys.slice(begin, count),
            _longs(values[:count]),
            self._head,
            self._bodies.slice(begin, count),
            b"\0",
            b"",
        )
        size = int(until[count - 1])
        batch = bytearray(size)
        heading = (0, size - _UNCOUNTED, _LEADER_EPOCH, _MAGIC, _CHECKSUM, _ATTRIBUTES, count - 1, timestamp, timestamp)
        _HEADING.pack_into(batch, 0, *heading, _NOT_SET, _NOT_SET, _NOT_SET, count)
        batch[_HEADING.size :] = memoryview(records.buffers()[2])[: size - _HEADING.size]
        return batch, begin + count

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        message = (self._prefix + self._keys[index].as_py(), self._head + self._bodies[index].as_py())
        return message if self._offsets is None else (*message, int(self._offsets[index]))


def _size(numbers: Integers) -> Integers:
    """Bytes of numbers, none below 0, as variable-length integers."""
    size = np.ones(len(numbers), np.int64)
    for shift in (6, 13, 20, 27):
        size += numbers >= 1 << shift
    return size


def _longs(numbers: Integers) -> Any:
    """Numbers, none below 0, as variable-length integers."""
    if int(numbers.max()) < _TABLE_SIZE:
        return _table().take(pa.array(numbers))
    return pa.array(map(_long, numbers.tolist()), pa.binary())


@cache
def _table() -> Any:
    return pa.array(map(_long, range(_TABLE_SIZE)), pa.binary())


def _long(number: int) -> bytes:
    rest = number << 1
    made = bytearray()
    while rest > _LAST_BYTE:
        made.append(rest & _LAST_BYTE | 0x80)
        rest >>= 7
    made.append(rest)
    return bytes(made)
