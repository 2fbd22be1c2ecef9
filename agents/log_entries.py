"""Records as Kafka gives them, made into entries as the processor takes them: the same live and in replay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from schemas.codec import Codec
from streams.processor import Entry

# Kafka's code for a timestamp that the broker set when it appended the record.
_LOG_APPEND_TIME: Final = 1


def log_entries(records: Sequence[Any], codec: Codec) -> list[Entry]:
    """Decode a batch of the input topic; what can't be decoded becomes an entry with the error that it deserves."""
    decoded = codec.decode_inputs([record.value for record in records])
    return [
        Entry(
            record.offset,
            record.key,
            record.timestamp if record.timestamp_type == _LOG_APPEND_TIME else None,
            found,
            record.value,
        )
        for record, found in zip(records, decoded, strict=True)
    ]
