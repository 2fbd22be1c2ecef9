"""Where the records lie in a record batch of Kafka's format 2, found for all of them at once.

Only how long each record is has to be read one after the other.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from journeys.schemas.arrays import Integers

Bytes = NDArray[np.uint8]
_LAST_BYTE: Final = 0x7F
_LONGEST_SHIFT: Final = 63


class RecordSpans(NamedTuple):
    """Records within bytes. A length of -1 is a null."""

    found: bytes
    offsets: Integers
    timestamps: Integers
    keys_at: Integers
    key_lengths: Integers
    values_at: Integers
    value_lengths: Integers

    def part(self, begin: int, end: int) -> RecordSpans:
        """Those from one index to another."""
        return RecordSpans(self.found, *(array[begin:end] for array in self[1:]))


class BatchHeading(NamedTuple):
    """What the header of a batch says of its records. `append_time` (ms) is theirs where the broker has set it."""

    record_count: int
    base_offset: int
    first_timestamp: int
    append_time: int | None


def record_spans(found: bytes, begin: int, end: int, heading: BatchHeading, from_offset: int) -> RecordSpans | None:
    """Records that are not compressed and lie at `begin` up to `end`, those with offsets from `from_offset` on.

    None where they are not as brokers keep them, or have headers: one by one tells what they are.
    """
    try:
        return _record_spans(found, begin, end, heading, from_offset)
    except (IndexError, OverflowError):
        return None


def _record_spans(found: bytes, begin: int, end: int, heading: BatchHeading, from_offset: int) -> RecordSpans | None:
    begins, ends, last = _bounds(found, begin, heading.record_count)
    if last != end or not begins:
        return None
    buffer = np.frombuffer(found, np.uint8)
    at = np.array(begins, np.int64)
    if (buffer[at] > _LAST_BYTE).any():  # attributes, of which there are none
        return None
    timestamp_deltas, at = _longs(buffer, at + 1)
    offset_deltas, at = _longs(buffer, at)
    key_lengths, keys_at = _longs(buffer, at)
    value_lengths, values_at = _longs(buffer, keys_at + np.maximum(key_lengths, 0))
    headers_at = values_at + np.maximum(value_lengths, 0)
    offsets = heading.base_offset + offset_deltas
    is_plain = (
        (headers_at + 1 == ends).all()
        and not buffer[headers_at].any()
        and key_lengths.min() >= -1
        and value_lengths.min() >= -1
        and (np.diff(offsets) > 0).all()
    )
    if not is_plain:
        return None
    if heading.append_time is None:
        timestamps = heading.first_timestamp + timestamp_deltas
    else:
        timestamps = np.full(len(offsets), heading.append_time)
    spans = RecordSpans(found, offsets, timestamps, keys_at, key_lengths, values_at, value_lengths)
    return spans.part(int(np.searchsorted(offsets, from_offset)), len(offsets))


def _bounds(found: bytes, at: int, count: int) -> tuple[list[int], list[int], int]:
    """Where records begin behind their lengths and end, and where the last one ends. Raises IndexError."""
    begins: list[int] = []
    ends: list[int] = []
    for _ in range(count):
        length = found[at]
        at += 1
        shift = 7
        byte = length
        length &= _LAST_BYTE
        while byte > _LAST_BYTE:
            byte = found[at]
            at += 1
            length |= (byte & _LAST_BYTE) << shift
            shift += 7
        begins.append(at)
        at += length >> 1  # a negative one, which is odd, does not fit what follows
        ends.append(at)
    return begins, ends, at


def _longs(buffer: Bytes, at: Integers) -> tuple[Integers, Integers]:
    """Variable-length integers at places, and the places behind them. Raises IndexError, OverflowError."""
    last = buffer[at]
    values = (last & _LAST_BYTE).astype(np.int64)
    at = at + 1
    more = np.flatnonzero(last > _LAST_BYTE)
    shift = 7
    while len(more):
        if shift > _LONGEST_SHIFT:
            raise OverflowError
        last = buffer[at[more]]
        values[more] |= (last & _LAST_BYTE).astype(np.int64) << shift
        at[more] += 1
        more = more[last > _LAST_BYTE]
        shift += 7
    # Shifted as what they are, numbers without a sign.
    return (values.view(np.uint64) >> np.uint64(1)).view(np.int64) ^ -(values & 1), at
