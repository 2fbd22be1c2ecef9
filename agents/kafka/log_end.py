"""The end of a partition of the input topic: its clock, its time source, and what is behind the last punctuation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from journeys.agents.kafka.log_reader import LogReader
from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import ClockCorrected, InputRecord, Punctuation, TimeSourceChanged

_FIRST_LOOK: Final = 2_000
_GROWTH: Final = 8


class LogEnd(NamedTuple):
    """What a partition ends with."""

    clock: int | None
    """The last that a punctuation or a correction has set (ms); None where there is none."""
    time_source: str | None
    """As the last punctuation or change names it."""
    records: Sequence[Any]
    """The last punctuation and all behind it (all records where there is none): aiokafka's ConsumerRecord."""


async def log_end(log: LogReader, partition: int, codec: Codec) -> LogEnd:
    """Read backwards to the last punctuation, in steps that grow. Raises as LogReader.read_partition.

    Punctuations go forward, so the last one is the clock, but for a correction behind it.
    """
    start, end = log.start_offsets[partition], (await log.end_offsets_now())[partition]
    begin, length = end, _FIRST_LOOK
    records: list[Any] = []
    clock: int | None = None
    time_source: str | None = None
    while begin > start:
        begin, stop = max(start, begin - length), begin
        length *= _GROWTH
        read: list[Any] = []
        async for batch in log.read_partition(partition, start=begin, end=stop):
            read.extend(batch.records)
        records[:0] = read
        for place in range(len(read) - 1, -1, -1):
            said = _said(records[place], codec)
            if clock is None and isinstance(said, Punctuation | ClockCorrected):
                clock = said.at
            if time_source is None and isinstance(said, Punctuation | TimeSourceChanged):
                time_source = said.time_source
            if isinstance(said, Punctuation):
                return LogEnd(clock, time_source, records[place:])
    return LogEnd(clock, time_source, records)


def _said(record: Any, codec: Codec) -> InputRecord | None:
    """What a record says that is none of a journey; None for others and for what can't be read."""
    if record.key is not None or record.value is None:
        return None
    try:
        return codec.decode_input(record.value)
    except InvalidRecordError:
        return None
