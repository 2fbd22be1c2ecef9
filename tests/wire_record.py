"""Records as a consumer gives them, made of entries: for tests of what reads wire bytes."""

from __future__ import annotations

from typing import NamedTuple

from schemas.codec import Codec
from schemas.invalid import InvalidRecordError
from streams.entry import Entry

_CREATE_TIME = 0
_LOG_APPEND_TIME = 1


class WireRecord(NamedTuple):
    """A record of the input topic."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    timestamp_type: int


def on_the_wire(entry: Entry, codec: Codec) -> WireRecord:
    """Record that decodes to what the entry holds."""
    value = entry.value if isinstance(entry.record, InvalidRecordError) else codec.encode(entry.record)
    if entry.append_time is None:
        return WireRecord(entry.offset, entry.key, value, -1, _CREATE_TIME)
    return WireRecord(entry.offset, entry.key, value, entry.append_time, _LOG_APPEND_TIME)
