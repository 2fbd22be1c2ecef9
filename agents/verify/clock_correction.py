"""Corrects the clocks of the input topic's partitions by hand, after a wrong clock has moved them."""

from __future__ import annotations

from journeys.agents.kafka.log_reader import open_log
from journeys.agents.kafka.record_producer import RecordProducer
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.partition_clock import PartitionClock, as_found
from journeys.agents.verify.stored_table import read_stored_partition
from journeys.schemas.codec import Codec
from journeys.schemas.instants import format_instant
from journeys.schemas.records import ClockCorrected
from journeys.schemas.topics import changelog_name
from journeys.streams.rule.clock import CLOCK_GUARD_MS


class ClockNotCorrectedError(OperationError):
    """The broker's time and the instant of a correction do not fit."""


async def find_clocks(settings: Settings, at: int) -> list[PartitionClock]:
    """What a correction to `at` (ms) would find, as of the last flush; holds the rows of one partition in memory.

    Raises UnknownTopicError, ReaderStalledError, KafkaUnreachableError, RegistryUnreachableError, TableMismatchError,
    UnreadableRowError.
    """
    codec = Codec()
    async with open_log(settings, changelog_name(settings.application_id), catalog=codec.catalog) as log:
        return [
            as_found((await read_stored_partition(log, number, codec)).partition, at)
            for number in range(log.partition_count)
        ]


async def correct_clocks(settings: Settings, correction: ClockCorrected, *, is_live: bool) -> int:
    """Append a correction to every partition, one after the other; gives their number.

    On a live topic the first acknowledgement has the broker's time: if the correction is a dead letter by that, no more
    are written. Raises ClockNotCorrectedError, RecordsNotSentError, UnknownTopicError, MissingRightsError,
    KafkaUnreachableError.
    """
    async with RecordProducer(settings) as producer:
        for number in range(producer.partition_count):
            await producer.send_to_partition(correction, number)
            await producer.flush()
            appended_at = producer.append_time
            if is_live and appended_at is not None and correction.at > appended_at + CLOCK_GUARD_MS:
                raise ClockNotCorrectedError(
                    f"the broker's time is {format_instant(appended_at)}, so {format_instant(correction.at)} is a dead "
                    "letter: give an earlier --at, and see that all clocks are right"
                )
        return producer.partition_count
