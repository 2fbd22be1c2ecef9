"""Records of the log as a fetch brings them: bytes, and where in them each record lies.

An object is made only of a record that somebody asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias, overload

import numpy as np

from journeys.schemas.arrays import NONE, Integers
from journeys.streams.partition.log_entries import LOG_APPEND_TIME, append_time_of
from journeys.streams.record_spans import BatchHeading, RecordSpans, record_spans

_CREATE_TIME: Final = 0
_NO_TIMESTAMP: Final = -1
# Below this many, objects cost less than arrays.
_WORTHWHILE: Final = 48


class LogRecord(NamedTuple):
    """One record, with the names that aiokafka has for its parts."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int | None
    timestamp_type: int | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclass(frozen=True, slots=True)
class _Lying:
    """Records that lie in bytes."""

    spans: RecordSpans
    timestamp_type: int

    def __len__(self) -> int:
        return len(self.spans.offsets)

    def __iter__(self) -> Iterator[LogRecord]:
        found, *arrays = self.spans
        rows = zip(*(array.tolist() for array in arrays), strict=True)
        for offset, timestamp, key_at, key_length, value_at, value_length in rows:
            key = None if key_length < 0 else found[key_at : key_at + key_length]
            value = None if value_length < 0 else found[value_at : value_at + value_length]
            is_known = timestamp != _NO_TIMESTAMP
            yield LogRecord(
                offset, key, value, timestamp if is_known else None, self.timestamp_type if is_known else None
            )

    def cut(self, begin: int, end: int) -> _Lying:
        return _Lying(self.spans.part(begin, end), self.timestamp_type)

    def heads(self, length: int) -> set[bytes]:
        found, at, lengths = self.spans.found, self.spans.values_at, self.spans.value_lengths
        is_there = lengths >= 0
        ends = at + np.minimum(lengths, length)
        return {found[begin:end] for begin, end in zip(at[is_there].tolist(), ends[is_there].tolist(), strict=True)}


_Part: TypeAlias = _Lying | list[Any]


class RecordColumns(NamedTuple):
    """Records whose values begin with some head, and the places of the others."""

    offsets: Integers
    keys: list[bytes | None]
    bodies: list[bytes]
    """Values behind the head."""
    append_times: Integers
    """When the broker appended each (ms), NONE where it was not the broker that said so."""
    others: list[int]


class LogRecords(Sequence[Any]):
    """Records in order of their offsets."""

    def __init__(self, parts: Iterable[_Part] = ()) -> None:
        self._parts = [part for part in parts if len(part)]

    @classmethod
    def of_batch(cls, found: bytes, begin: int, end: int, heading: BatchHeading, from_offset: int) -> LogRecords | None:
        """Records of a batch of format 2, as `record_spans`; None where objects are to be made of them."""
        if heading.record_count < _WORTHWHILE:
            return None
        spans = record_spans(found, begin, end, heading, from_offset)
        if spans is None:
            return None
        return cls([_Lying(spans, _CREATE_TIME if heading.append_time is None else LOG_APPEND_TIME)])

    @classmethod
    def of_objects(cls, records: Sequence[Any]) -> LogRecords:
        """Records that are objects, with the names that aiokafka has for their parts."""
        return cls([list(records)])

    def extend(self, others: LogRecords) -> None:
        """Put others behind these."""
        self._parts += others._parts

    def split_off(self, index: int) -> LogRecords:
        """Take the records from an index on out, and give them."""
        kept: list[_Part] = []
        left: list[_Part] = []
        for part in self._parts:
            count = len(part)
            kept.append(_cut(part, 0, min(index, count)))
            left.append(_cut(part, min(index, count), count))
            index = max(0, index - count)
        self._parts = [part for part in kept if len(part)]
        return LogRecords(left)

    def heads(self, length: int) -> set[bytes]:
        """The different first bytes of the values, at most so many of each; those that are null are left out."""
        return set().union(
            *(
                part.heads(length)
                if isinstance(part, _Lying)
                else {record.value[:length] for record in part if record.value is not None}
                for part in self._parts
            )
        )

    def columns(self, head: bytes) -> RecordColumns:
        """Split records by whether their values begin with a head."""
        offsets: list[Any] = []
        keys: list[bytes | None] = []
        bodies: list[bytes] = []
        append_times: list[Any] = []
        others: list[int] = []
        place = 0
        for part in self._parts:
            own = _own_of_lying(part, head) if isinstance(part, _Lying) else _own_of_objects(part, head)
            offsets.append(own.offsets)
            keys += own.keys
            bodies += own.bodies
            append_times.append(own.append_times)
            others += [place + other for other in own.others]
            place += len(part)
        return RecordColumns(_joined(offsets), keys, bodies, _joined(append_times), others)

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[Any]:
        for part in self._parts:
            yield from part

    def _between(self, begin: int, end: int) -> list[Any]:
        found: list[Any] = []
        for part in self._parts:
            count = len(part)
            found += _cut(part, min(begin, count), min(max(end, 0), count))
            begin, end = max(0, begin - count), end - count
        return found

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            begin, end, step = index.indices(len(self))
            if step == 1:
                return self._between(begin, end)
            return [self[place] for place in range(begin, end, step)]
        left = index + len(self) if index < 0 else index
        for part in self._parts:
            if 0 <= left < len(part):
                return next(iter(_cut(part, left, left + 1)))
            left -= len(part)
        raise IndexError(f"there is no record {index} of {len(self)}")


def _cut(part: _Part, begin: int, end: int) -> _Part:
    return part.cut(begin, end) if isinstance(part, _Lying) else part[begin:end]


def _own_of_objects(records: Sequence[Any], head: bytes) -> RecordColumns:
    size = len(head)
    own: list[Any] = []
    others: list[int] = []
    for place, record in enumerate(records):
        value = record.value
        if value is not None and value[:size] == head:
            own.append(record)
        else:
            others.append(place)
    offsets = np.array([record.offset for record in own], np.int64)
    times = [NONE if (at := append_time_of(record)) is None else at for record in own]
    bodies = [record.value[size:] for record in own]
    return RecordColumns(offsets, [record.key for record in own], bodies, np.array(times, np.int64), others)


def _own_of_lying(part: _Lying, head: bytes) -> RecordColumns:
    spans, size = part.spans, len(head)
    found = spans.found
    is_own = spans.value_lengths >= size
    buffer = np.frombuffer(found, np.uint8)
    for place, byte in enumerate(head):
        is_own[is_own] = buffer[spans.values_at[is_own] + place] == byte
    if not is_own.all():
        others = np.flatnonzero(~is_own).tolist()
        spans = RecordSpans(found, *(array[is_own] for array in spans[1:]))
    else:
        others = []
    key_ends = (spans.keys_at + spans.key_lengths).tolist()
    value_ends = (spans.values_at + spans.value_lengths).tolist()
    keys: list[bytes | None]
    keys = [found[at:end] if end >= at else None for at, end in zip(spans.keys_at.tolist(), key_ends, strict=True)]
    bodies = [found[at:end] for at, end in zip((spans.values_at + size).tolist(), value_ends, strict=True)]
    times = spans.timestamps if part.timestamp_type == LOG_APPEND_TIME else np.full(len(keys), NONE)
    return RecordColumns(spans.offsets, keys, bodies, np.where(times == _NO_TIMESTAMP, NONE, times), others)


def _joined(arrays: Sequence[Integers]) -> Integers:
    return np.concatenate([np.empty(0, np.int64), *arrays])
