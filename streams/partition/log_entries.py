"""Decodes records as Kafka gives them into entries for the processor: the same live and in replay."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any, Final

from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.marks import Marks
from journeys.schemas.records import InputRecord, Mark
from journeys.streams.partition.entry import EntryFields

# Kafka's code for a timestamp that the broker set when it appended the record.
LOG_APPEND_TIME: Final = 1


def log_entries(records: Sequence[Any], codec: Codec, marks: Marks) -> Iterable[EntryFields]:
    """Decode a batch of the input topic; what can't be decoded becomes an entry with the error that it deserves.

    `records` are aiokafka's, in full or raw, in order of their offsets. `marks` are those of their partition. The
    entries can be gone through once.
    """
    values = [record.value for record in records]
    offsets = [record.offset for record in records]
    decoded = _as_marked(offsets, values, codec, marks) if marks else codec.decode_inputs(values)
    return zip(
        offsets,
        [record.key for record in records],
        map(append_time_of, records),
        decoded,
        values,
        strict=True,
    )


def marked_inputs(
    records: Sequence[Any], codec: Codec, marks: Marks
) -> Sequence[InputRecord | Mark | InvalidRecordError]:
    """Input records, marks and errors of a batch, in order of the records."""
    return [entry[3] for entry in log_entries(records, codec, marks)]


def _as_marked(
    offsets: Sequence[int], values: Sequence[bytes | None], codec: Codec, marks: Marks
) -> Sequence[InputRecord | Mark | InvalidRecordError]:
    found: list[InputRecord | Mark | InvalidRecordError] = []
    while len(found) < len(values):
        begin = len(found)
        turn = marks.next_turn(offsets[begin])
        end = len(values) if turn is None else bisect_left(offsets, turn, begin)
        skipped = marks.skipped(offsets[begin])
        if skipped is not None:
            found.append(skipped)  # and not decoded: it may be here because nothing survives that
        else:
            marked = Codec(marks.catalog_at(codec.catalog, offsets[begin]))
            found += marked.decode_inputs(values[begin:end])
    for offset in marks.between(offsets[0], offsets[-1] + 1) if offsets else ():
        found[bisect_left(offsets, offset)] = marks.by_offset[offset]
    return found


def append_time_of(record: Any) -> int | None:
    """When the broker appended a record, where it was the broker that said so."""
    return record.timestamp if record.timestamp_type == LOG_APPEND_TIME else None
