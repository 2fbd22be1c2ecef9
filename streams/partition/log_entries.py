"""Decodes records as Kafka gives them into entries for the processor: the same live and in replay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from journeys.schemas.codec import Codec
from journeys.streams.partition.entry import EntryFields

# Kafka's code for a timestamp that the broker set when it appended the record.
LOG_APPEND_TIME: Final = 1


def log_entries(records: Sequence[Any], codec: Codec) -> Iterable[EntryFields]:
    """Decode a batch of the input topic; what can't be decoded becomes an entry with the error that it deserves.

    `records` are aiokafka's, in full or raw. The entries can be gone through once.
    """
    values = [record.value for record in records]
    return zip(
        [record.offset for record in records],
        [record.key for record in records],
        map(append_time_of, records),
        codec.decode_inputs(values),
        values,
        strict=True,
    )


def append_time_of(record: Any) -> int | None:
    """When the broker appended a record, where it was the broker that said so."""
    return record.timestamp if record.timestamp_type == LOG_APPEND_TIME else None
