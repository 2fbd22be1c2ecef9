"""Time source of the input topic, live or simulated: as its first punctuations name it, or a later change."""

from __future__ import annotations

from contextlib import aclosing
from typing import NamedTuple

from journeys.agents.kafka.log_end import LogEnd, log_end
from journeys.agents.kafka.log_reader import LogReader, open_log
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.marks import Marks
from journeys.schemas.records import Mark, PolicyChanged, Punctuation
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.partition.log_entries import log_entries
from journeys.streams.rule.clock import require_counting


class TopicTime(NamedTuple):
    """The first punctuation of each partition, and the partitions that hold records and no punctuation."""

    first: dict[int, Punctuation]
    unpunctuated: list[int]
    ends: dict[int, LogEnd]
    """Of the partitions that began with simulated time."""

    def source_of(self, partition: int) -> str | None:
        """Time source of a partition; None where no punctuation has named one."""
        end = self.ends.get(partition)
        if end is not None and end.time_source is not None:
            return end.time_source
        first = self.first.get(partition)
        return None if first is None else first.time_source

    @property
    def time_source(self) -> str | None:
        """`live` if any partition is live, else `simulated` if any is, else None."""
        return min((source for source in map(self.source_of, self.first) if source is not None), default=None)


async def topic_time(settings: Settings, codec: Codec) -> TopicTime:
    """Read each partition up to its first punctuation, and the end of those that began with simulated time.

    Raises UnknownTopicError, KafkaUnreachableError.
    """
    ends: dict[int, LogEnd] = {}
    first: dict[int, Punctuation] = {}
    unpunctuated: list[int] = []
    async with open_log(settings, JOURNEY_EVENTS, catalog=codec.catalog) as log:
        for partition in range(log.partition_count):
            punctuation, has_others = await _first_punctuation(log, partition, codec)
            if punctuation is not None:
                first[partition] = punctuation
                if punctuation.time_source == "simulated":
                    ends[partition] = await log_end(log, partition, codec)
            elif has_others:
                unpunctuated.append(partition)
    return TopicTime(first, unpunctuated, ends)


async def _first_punctuation(log: LogReader, partition: int, codec: Codec) -> tuple[Punctuation | None, bool]:
    """First punctuation, and whether other records than policies and marks precede it."""
    found, has_others, has_unreadable = await _look(log, partition, codec, Marks())
    if has_unreadable:  # by a schema that marks tell, perhaps; else the log need not be gone through for them
        found, has_others, _ = await _look(log, partition, codec, await log.marks(partition))
    return found, has_others


async def _look(log: LogReader, partition: int, codec: Codec, marks: Marks) -> tuple[Punctuation | None, bool, bool]:
    """First punctuation, and whether others precede it, and some that can't be read."""
    has_others = has_unreadable = False
    async with aclosing(log.read_partition(partition, marks=marks)) as batches:
        async for batch in batches:
            for _, _, append_time, record, _ in log_entries(batch.records, codec, marks):
                if isinstance(record, Punctuation) and _counts(record, append_time):
                    return record, has_others, has_unreadable
                has_unreadable = has_unreadable or isinstance(record, InvalidRecordError)
                has_others = has_others or not isinstance(record, PolicyChanged | Mark)
    return None, has_others, has_unreadable


def _counts(punctuation: Punctuation, append_time: int | None) -> bool:
    """Whether a partition's first punctuation is none that becomes a dead letter, which says nothing of its time."""
    try:
        require_counting(None, punctuation, append_time)
    except InvalidRecordError:
        return False
    return True
