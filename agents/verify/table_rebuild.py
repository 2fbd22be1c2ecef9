"""Rebuilds the table from the input topic, for a group whose workers are stopped.

The changelog is deleted and created again, because the greatest offset wins: a damaged row with a great offset can't be
overwritten. The new topic id also makes all copies on workers' disks invalid.

A partition is replayed up to the committed offset of the group, and no further: up to there all outputs are published.
Its rows are written and acknowledged, then its own row. If this is interrupted, the next worker begins a partition
without its own row at the start of the input: it publishes the outputs again with the same ids, and skips records that
a row has already applied.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from time import monotonic
from typing import Any, Final

from journeys.agents.inspect.stored_topics import replaced_since_stored
from journeys.agents.kafka.connection import admin, producer
from journeys.agents.kafka.group_lag import group_lag
from journeys.agents.kafka.group_members import require_no_members
from journeys.agents.kafka.log_reader import LogReader, open_log
from journeys.agents.kafka.schema_registry import own_catalog
from journeys.agents.kafka.topic_identity import ids_of
from journeys.agents.kafka.topic_setup import create_topics, present_identities
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.table_check import Progress
from journeys.agents.verify.topic_replay import ReplayedPartition, replay_partition_to
from journeys.schemas.codec import Codec
from journeys.schemas.rows import journey_key, mark_key, policy_key
from journeys.schemas.topics import JOURNEY_EVENTS, MAX_MESSAGE_BYTES, changelog_name
from journeys.streams.partition.changelog import StoredRow, stored_partition
from journeys.streams.rule.row import stored_columns
from journeys.streams.stored.mark_rows import mark_row_value
from journeys.streams.stored.schema_rows import missing_schemas

_CHUNK_ROWS: Final = 5_000
_GONE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.1


@dataclass(slots=True)
class RebuildReport:
    """What was written. `never_committed` are partitions without a committed offset: nothing is written for them."""

    rows: int = 0
    records_read: int = 0
    never_committed: list[int] = field(default_factory=list)


async def rebuild_table(
    settings: Settings, progress: Progress | None = None, *, without_deleted: bool = False
) -> RebuildReport:
    """Delete the table and rebuild it; holds the rows of one partition in memory.

    With `without_deleted` a partition whose first records were deleted is rebuilt from what is left; what that makes is
    not what a worker had made. `progress` gets the input offsets read and their total.
    Raises GroupActiveError, RecordsDeletedError, UnknownTopicError, ReaderStalledError, TopicSetupError,
    KafkaUnreachableError, KafkaRequestError, RegistryUnreachableError, RegistryRefusedError.
    """
    await require_no_members(settings)
    codec = Codec(await own_catalog(settings))
    report = RebuildReport()
    changelog = settings.topic(changelog_name(settings.application_id))
    async with open_log(settings, JOURNEY_EVENTS, catalog=codec.catalog) as log:
        if not without_deleted:
            log.require_complete()
        ends = await _published_ends(settings, log, report)
        await _drop(settings)
        topic_ids = ids_of(await present_identities(settings))
        async with producer(settings, linger_ms=5, max_request_size=MAX_MESSAGE_BYTES) as client:
            for number, end in ends.items():
                if end == 0:
                    continue
                before = report.records_read

                def on_progress(read: int, before: int = before) -> None:
                    if progress is not None:
                        progress(before + read, sum(ends.values()))

                replayed = await replay_partition_to(log, number, end, codec, on_progress)
                first = log.start_offsets[number]
                replayed.partition.applied_offset = max(replayed.partition.applied_offset, first - 1)
                replayed.partition.topic_ids = topic_ids or None
                report.records_read += end - first
                await require_no_members(settings)
                report.rows += await _write(client, changelog, replayed, codec)
    await require_no_members(settings)
    return report


async def _published_ends(settings: Settings, log: LogReader, report: RebuildReport) -> dict[int, int]:
    """By partition, the input offset up to which outputs are certainly published; at least its first offset."""
    lag: dict[int, int | None]
    if await replaced_since_stored(settings, log.name):
        lag = dict.fromkeys(log.end_offsets)  # what the group has committed are offsets of the topic before this one
    else:
        lag = await group_lag(settings, log.end_offsets)
    ends = {
        number: max(log.start_offsets[number], 0 if behind is None else log.end_offsets[number] - behind)
        for number, behind in sorted(lag.items())
    }
    report.never_committed.extend(
        number for number, behind in sorted(lag.items()) if behind is None and log.end_offsets[number] > 0
    )
    return ends


async def _drop(settings: Settings) -> None:
    """Delete the changelog if it exists, and create it empty."""
    name = settings.topic(changelog_name(settings.application_id))
    async with admin(settings) as client:
        if name in await client.list_topics():
            await client.delete_topics([name])
        deadline = monotonic() + _GONE_SECONDS
        while name in await client.list_topics():
            if monotonic() > deadline:
                raise OperationError(f"{name} was not deleted within {_GONE_SECONDS:g} s: does the broker allow it?")
            await asyncio.sleep(_POLL_SECONDS)
    await create_topics(settings)


async def _write(client: Any, changelog: str, replayed: ReplayedPartition, codec: Codec) -> int:
    """Write a partition's rows, and after their acknowledgement its own row; gives the number of rows."""
    number = replayed.partition.number
    written = 0
    for rows in _stored(replayed, codec):
        sent = [await client.send(changelog, row.value, row.key, number) for row in rows]
        await asyncio.gather(*sent)
        written += len(rows)
    own = stored_partition(replayed.partition, codec)
    await client.send_and_wait(changelog, own.value, own.key, number)
    return written + 1


def _stored(replayed: ReplayedPartition, codec: Codec) -> Iterator[Sequence[StoredRow]]:
    """Rows in a worker's order: schemas, marks, policies, journeys."""
    yield missing_schemas((), codec)
    yield [StoredRow(mark_key(row.offset), mark_row_value(row), row.offset) for row in replayed.marks]
    yield [StoredRow(policy_key(row.policy_version), codec.encode(row), row.offset) for row in replayed.policies]
    rows = iter(replayed.partition.rows.values())
    while chunk := list(islice(rows, _CHUNK_ROWS)):
        values = codec.encode_columns("JourneyRow", stored_columns(chunk))
        yield [
            StoredRow(journey_key(row.journey_id), value, row.offset) for row, value in zip(chunk, values, strict=True)
        ]
