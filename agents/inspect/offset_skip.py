"""Skips one offset of the input topic by hand: a mark makes its record a dead letter for every reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from journeys.agents.inspect.audit import ALL_JOURNEYS, audit_record
from journeys.agents.inspect.audit_trail import leave_audit
from journeys.agents.inspect.dead_letters import Place
from journeys.agents.kafka.connection import producer
from journeys.agents.kafka.group_lag import group_lag
from journeys.agents.kafka.group_members import members
from journeys.agents.kafka.log_reader import LogReader, open_log
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.schemas.marks import mark_headers, mark_value
from journeys.schemas.records import OffsetSkipped
from journeys.schemas.topics import JOURNEY_EVENTS

_SHOWN_BYTES: Final = 32


class NotSkippableError(OperationError):
    """The offset can't be skipped, or must not be."""


@dataclass(frozen=True, slots=True)
class SkippableRecord:
    """A record that nobody has applied, and the marks that skip it already."""

    place: Place
    appended_at: int
    key: bytes | None
    value_size: int
    first_bytes: bytes
    skipped_by: int | None
    """Offset of the mark that skips it, if there is one."""


async def skippable_record(settings: Settings, place: Place) -> SkippableRecord:
    """Look at the record at a place, which no worker may have applied.

    Raises NotSkippableError, UnknownTopicError, ReaderStalledError, KafkaUnreachableError, MissingRightsError.
    """
    if place.topic != JOURNEY_EVENTS:
        raise NotSkippableError(f"{place.topic} is not read by workers: only offsets of {JOURNEY_EVENTS} are skipped")
    async with open_log(settings, JOURNEY_EVENTS, catalog=None) as log:
        record = await _record_at(log, place)
        marks = await log.marks(place.partition, place.offset)
        if place.offset in marks.by_offset:
            raise NotSkippableError(f"{place} is a mark itself, and marks are never skipped")
        await _require_not_applied(settings, log, place)
    return SkippableRecord(
        place,
        record.timestamp,
        record.key,
        0 if record.value is None else len(record.value),
        b"" if record.value is None else record.value[:_SHOWN_BYTES],
        marks.skipped_by(place.offset),
    )


async def skip_offset(settings: Settings, place: Place, reason: str, requested_by: str) -> int:
    """Append the mark that skips a place, and its audit record; gives the offset of the mark.

    Raises InvalidRecordError for texts that are too long, RegistryUnreachableError, RegistryRefusedError, and as
    `skippable_record`, which is to be asked before.
    """
    mark = OffsetSkipped(place.offset, reason, requested_by)
    value = mark_value(mark)
    await leave_audit(settings, audit_record("skip", ALL_JOURNEYS, requested_by, f"{place}: {reason}"))
    async with producer(settings) as sender:
        sent = await sender.send_and_wait(
            settings.topic(JOURNEY_EVENTS), value, None, partition=place.partition, headers=mark_headers(mark)
        )
    offset: int = sent.offset
    return offset


async def _record_at(log: LogReader, place: Place) -> Any:
    first, end = log.start_offsets.get(place.partition), log.end_offsets.get(place.partition)
    if first is None or end is None:
        raise NotSkippableError(
            f"{log.topic} has no partition {place.partition}: it has {log.partition_count}, from 0 on"
        )
    if not first <= place.offset < end:
        raise NotSkippableError(
            f"{place} is not in the log: partition {place.partition} has offsets {first} to {end - 1}"
        )
    async for batch in log.read_partition(place.partition, start=place.offset, end=place.offset + 1):
        return batch.records[0]
    raise NotSkippableError(f"{place} holds no record: workers pass by it as it is")


async def _require_not_applied(settings: Settings, log: LogReader, place: Place) -> None:
    """Raise NotSkippableError where a worker has applied the record, or may do so before it knows of the mark."""
    end = log.end_offsets[place.partition]
    behind = (await group_lag(settings, {place.partition: end}))[place.partition]
    position = log.start_offsets[place.partition] if behind is None else end - behind
    if position > place.offset:
        raise NotSkippableError(
            f"{place} was applied: the group {settings.application_id} stands at offset {position}. Skipped now, a "
            "replay would no longer give what was published"
        )
    present = await members(settings)
    if present and position != place.offset:
        raise NotSkippableError(
            f"the group {settings.application_id} stands at offset {position}, not at {place.offset}, and has "
            f"{len(present)} members, which may apply the record before they know of the mark: stop the workers first"
        )
