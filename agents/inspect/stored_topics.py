"""The topics that the table was made with, as its partition rows say, next to those that are there."""

from __future__ import annotations

from typing import Final

from journeys.agents.kafka.log_reader import LogReader, UnknownTopicError, open_log
from journeys.agents.kafka.missing_rights import MissingRightsError
from journeys.agents.kafka.topic_identity import ids_of, replaced_topics
from journeys.agents.kafka.topic_problems import Problem
from journeys.agents.kafka.topic_setup import check_topics, present_identities
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.rows import PARTITION_KEY, PartitionRow
from journeys.schemas.topics import changelog_name

# A flush writes the partition row, and behind it at most as many tombstones as a policy allows (by default 1,000).
_TAIL_RECORDS: Final = 3_000


async def replaced_since_stored(settings: Settings, *names: str) -> list[str]:
    """One line for each topic, of those named or of all, that is not the one that the table was made with.

    Empty where there is no table, or where it has stored no ids. Reads the end of the changelog only. Raises as
    `log_reader.open_log`.
    """
    present = ids_of(await present_identities(settings))
    lines: dict[str, None] = {}
    for row in await _stored_rows(settings):
        stored = row.topic_ids or {}
        wanted = {name: stored[name] for name in names or stored if name in stored}
        lines.update(dict.fromkeys(replaced_topics(wanted, present)))
    return list(lines)


async def check_topics_and_table(settings: Settings) -> list[Problem]:
    """Problems of the topics: as they are, and as the table knows them where this user may read it."""
    problems = await check_topics(settings)
    try:
        replaced = await replaced_since_stored(settings)
    except MissingRightsError:
        return problems
    return [*problems, *(Problem("error", line.partition(" ")[0], line) for line in replaced)]


async def stored_partition_count(settings: Settings) -> int | None:
    """Partitions of the topics that the table was made with; None where there is no table."""
    return next((row.partition_count for row in await _stored_rows(settings)), None)


async def _stored_rows(settings: Settings) -> list[PartitionRow]:
    """Partition rows of the table, of those partitions that have one."""
    codec = Codec()
    found: list[PartitionRow] = []
    try:
        async with open_log(settings, changelog_name(settings.application_id), catalog=codec.catalog) as log:
            for number in range(log.partition_count):
                end, first = log.end_offsets[number], log.start_offsets[number]
                row = await _last_row(log, number, max(first, end - _TAIL_RECORDS), codec)
                if row is None and end - _TAIL_RECORDS > first:
                    row = await _last_row(log, number, first, codec)
                if row is not None:
                    found.append(row)
    except UnknownTopicError:
        pass
    return found


async def _last_row(log: LogReader, number: int, start: int, codec: Codec) -> PartitionRow | None:
    """Partition row with the greatest offset from `start` on; None if there is none that can be read."""
    last: PartitionRow | None = None
    async for batch in log.read_partition(number, start=start):
        for record in batch.records:
            if record.key != PARTITION_KEY or record.value is None:
                continue
            try:
                row: PartitionRow = codec.decode(record.value)
            except InvalidRecordError:
                continue  # of a later version: `check` says so
            if last is None or row.applied_offset >= last.applied_offset:
                last = row
    return last
