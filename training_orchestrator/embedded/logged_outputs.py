"""Encodes outputs for the local log: wire bytes, with the columns that readers select by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any, Final, TypeVar

from journeys.schemas.codec import Codec
from journeys.schemas.records import DeadLetter, JourneyAbandoned, OutputRecord
from journeys.schemas.topics import DEAD_LETTERS, JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from journeys.streams.partition.effects import Effects
from training_orchestrator.embedded.local_log import LoggedOutput

_ENCODED_TOGETHER: Final = 500
Record = TypeVar("Record", bound=tuple[Any, ...])


def encoded(records: Iterable[Record], codec: Codec) -> Iterator[tuple[Record, bytes]]:
    """Records with their wire bytes; consecutive records of one kind are encoded together, which is faster."""
    for _, group in groupby(records, type):
        # In pieces: the encoder holds the interpreter's lock, and with it the trainer's event loop.
        untyped: Iterator[Any] = group
        while same_kind := list(islice(untyped, _ENCODED_TOGETHER)):
            yield from zip(same_kind, codec.encode_all(same_kind), strict=True)


def logged_outputs(applied: Sequence[Effects], offsets: Sequence[int], codec: Codec) -> list[LoggedOutput]:
    """Outputs of the records at `offsets`, in order: abandonments, lifecycle records and dead letters of each.

    Outputs that the engine has encoded are decoded, all together, and appended to the lists in their effects.
    """
    decoded = {
        JOURNEY_ABANDONMENTS: _decoded("JourneyAbandoned", JOURNEY_ABANDONMENTS, applied, codec),
        JOURNEY_LIFECYCLE: _decoded("JourneyLifecycle", JOURNEY_LIFECYCLE, applied, codec),
    }
    outputs: list[tuple[int, OutputRecord, bytes | None]] = []
    for offset, effects in zip(offsets, applied, strict=True):
        lists: tuple[tuple[str, list[Any]], ...] = (
            (JOURNEY_ABANDONMENTS, effects.abandonments),
            (JOURNEY_LIFECYCLE, effects.lifecycle),
        )
        for topic, records in lists:
            outputs += [(offset, record, None) for record in records]
            pairs = list(islice(decoded[topic], len(effects.encoded.get(topic, ()))))
            records += [record for record, _ in pairs]
            outputs += [(offset, record, value) for record, value in pairs]
        outputs += [(offset, letter, None) for letter in effects.dead_letters]
    newly_encoded = encoded((record for _, record, value in outputs if value is None), codec)
    return [_logged(offset, record, value or next(newly_encoded)[1]) for offset, record, value in outputs]


def _decoded(name: str, topic: str, applied: Sequence[Effects], codec: Codec) -> Iterator[tuple[Any, bytes]]:
    """Outputs of a topic that the engine has encoded: records with their wire bytes."""
    values = [value for effects in applied for _, value in effects.encoded.get(topic, ())]
    return zip(codec.decode_all(name, values), values, strict=True)


def _logged(offset: int, record: OutputRecord, value: bytes) -> LoggedOutput:
    if isinstance(record, JourneyAbandoned):
        return LoggedOutput(offset, JOURNEY_ABANDONMENTS, "abandoned", record.detected_at, value)
    if isinstance(record, DeadLetter):
        return LoggedOutput(offset, DEAD_LETTERS, "dead_letter", record.append_time or 0, value)
    return LoggedOutput(offset, JOURNEY_LIFECYCLE, record.kind, record.detected_at, value)
