"""Whether the stored table is what the log makes: each partition restored, and replayed up to the offset it stands at.

A worker may be at work meanwhile: of each changelog only what it held at the beginning is read, and the input that
it stands for was there before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from journeys.agents.kafka.log_reader import LogReader, open_log
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
    """Compare every row of the table with what a replay makes; holds one partition twice.

    `progress` gets input offsets read, and how many there are at most. Raises RecordsDeletedError, UnknownTopicError,
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
        total = sum(log.end_offsets.values())
        for number in range(log.partition_count):
            await _check_partition(report, number, table, log, codec, _told(report, progress, total))
    return report


def require_same_count(table: LogReader, log: LogReader) -> None:
    """Raise OperationError for a changelog of another number of partitions than the input topic."""
    if table.partition_count != log.partition_count:
        raise OperationError(
            f"{table.topic} has {table.partition_count} partitions, {log.topic} has {log.partition_count}: "
            "see `journeys topics check`"
        )


async def _check_partition(
    report: TableReport,
    number: int,
    table: LogReader,
    log: LogReader,
    codec: Codec,
    told: Callable[[int], None],
) -> None:
    end = log_end = log.end_offsets[number]
    stored: StoredPartition | None = None
    try:
        stored = await read_stored_partition(table, number, codec)
        end = min(stored.partition.applied_offset + 1, log_end)
    except UnreadableRowError as error:
        why = str(error)
    expected = (await replay_partition_to(log, number, end, codec, told)).partition
    report.records_read += end
    if stored is None:
        report.unreadable(number, expected, why)
    elif stored.partition.applied_offset >= log_end:
        report.tell_beyond(number, stored.partition.applied_offset, log_end)
    else:
        report.compare(stored, expected, log_end)


def _told(report: TableReport, progress: Progress | None, total: int) -> Callable[[int], None]:
    """Progress of one partition as part of the whole."""
    before = report.records_read

    def tell(read: int) -> None:
        if progress is not None:
            progress(before + read, total)

    return tell
