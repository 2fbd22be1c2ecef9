"""Checks the stored table: compares each restored partition with a replay up to the offset of its own row.

A worker may run meanwhile: changelogs are read up to their ends at the opening, and the input of these rows was in the
log before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from journeys.agents.kafka.log_reader import LogReader, open_log
from journeys.agents.kafka.topic_identity import ids_of, replaced_topics
from journeys.agents.kafka.topic_setup import present_identities
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.stored_partition import StoredPartition
from journeys.agents.verify.stored_table import read_stored_partition
from journeys.agents.verify.table_comparison import TableReport
from journeys.agents.verify.topic_replay import replay_partition_to
from journeys.schemas.codec import Codec
from journeys.schemas.topics import JOURNEY_EVENTS, changelog_name
from journeys.streams.partition.changelog import UnreadableRowError

SHOWN_DIFFERENCES: Final = 10
Progress = Callable[[int, int | None], None]


async def check_table(
    settings: Settings, *, shown: int = SHOWN_DIFFERENCES, progress: Progress | None = None
) -> TableReport:
    """Compare every row of the table with a replay; holds one partition twice in memory.

    `progress` gets the input offsets read, and their maximal total. Raises RecordsDeletedError, UnknownTopicError,
    ReaderStalledError, KafkaUnreachableError, RegistryUnreachableError, TableMismatchError.
    """
    codec = Codec()
    report = TableReport(shown)
    changelog = changelog_name(settings.application_id)
    async with (
        open_log(settings, changelog, catalog=codec.catalog) as table,
        open_log(settings, JOURNEY_EVENTS, catalog=codec.catalog) as log,
    ):
        log.require_complete()
        require_same_count(table, log)
        present = ids_of(await present_identities(settings))
        total = sum(log.end_offsets.values())
        for number in range(log.partition_count):
            on_progress = _partition_progress(report, progress, total)
            await _check_partition(report, number, table, log, codec, present, on_progress)
    return report


def require_same_count(table: LogReader, log: LogReader) -> None:
    """Raise OperationError if the changelog has another number of partitions than the input topic."""
    if table.partition_count != log.partition_count:
        raise OperationError(
            f"{table.name} has {table.partition_count} partitions, {log.name} has {log.partition_count}: "
            "see `journeys topics check`"
        )


async def _check_partition(
    report: TableReport,
    number: int,
    table: LogReader,
    log: LogReader,
    codec: Codec,
    present: dict[str, str],
    on_progress: Callable[[int], None],
) -> None:
    end = log_end = log.end_offsets[number]
    stored: StoredPartition | None = None
    try:
        stored = await read_stored_partition(table, number, codec)
        end = min(stored.partition.applied_offset + 1, log_end)
    except UnreadableRowError as error:
        why = str(error)
    expected = (await replay_partition_to(log, number, end, codec, on_progress)).partition
    report.records_read += end
    if stored is None:
        report.add_unreadable(number, expected, why)
    elif replaced := replaced_topics(stored.partition.topic_ids, present):
        report.add_other_topics(number, replaced)
    elif stored.partition.applied_offset >= log_end:
        report.add_beyond_log(number, stored.partition.applied_offset, log_end)
    else:
        expected.topic_ids = stored.partition.topic_ids  # the log does not say them
        report.compare(stored, expected, log_end)


def _partition_progress(report: TableReport, progress: Progress | None, total: int) -> Callable[[int], None]:
    """Progress callback for one partition, which reports the total progress."""
    before = report.records_read

    def on_progress(read: int) -> None:
        if progress is not None:
            progress(before + read, total)

    return on_progress
