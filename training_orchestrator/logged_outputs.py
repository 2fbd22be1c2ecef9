"""Outputs as a local log stores them: wire bytes, with what a reader looks for beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, TypeVar

from schemas.codec import Codec
from schemas.records import DeadLetter, JourneyAbandoned, OutputRecord
from schemas.topics import DEAD_LETTERS, JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from streams.table import dead_letter_key
from training_orchestrator.local_log import LoggedOutput

Record = TypeVar("Record", bound=tuple[Any, ...])


def encoded(records: Iterable[Record], codec: Codec) -> Iterator[tuple[Record, bytes]]:
    """Records with their wire bytes; neighbours of one kind are encoded together, in a fraction of the time."""
    for _, group in groupby(records, type):
        alike: Sequence[Any] = list(group)
        yield from zip(alike, codec.encode_all(alike), strict=True)


def logged_outputs(records: Iterable[OutputRecord], codec: Codec) -> Iterator[LoggedOutput]:
    """Outputs in their order."""
    for record, value in encoded(records, codec):
        if isinstance(record, JourneyAbandoned):
            yield LoggedOutput(JOURNEY_ABANDONMENTS, "abandoned", record.abandonment_id, record.detected_at, value)
        elif isinstance(record, DeadLetter):
            key = dead_letter_key(record).decode()
            yield LoggedOutput(DEAD_LETTERS, "dead_letter", key, record.append_time or 0, value)
        else:
            yield LoggedOutput(JOURNEY_LIFECYCLE, record.kind, record.lifecycle_id, record.detected_at, value)
