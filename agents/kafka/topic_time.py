"""Time source of the input topic, live or simulated, as its first punctuations name it."""

from __future__ import annotations

from contextlib import aclosing
from typing import NamedTuple

from journeys.agents.kafka.log_reader import LogReader, open_log
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import PolicyChanged, Punctuation
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.partition.log_entries import append_time_of
from journeys.streams.rule.clock import require_counting


class TopicTime(NamedTuple):
    """The first punctuation of each partition, and the partitions that hold records and no punctuation."""

    first: dict[int, Punctuation]
    unpunctuated: list[int]

    @property
    def time_source(self) -> str | None:
        """`live` if any partition is live, else `simulated` if any is, else None."""
        sources = {punctuation.time_source for punctuation in self.first.values()}
        return min(sources, default=None)


async def topic_time(settings: Settings, codec: Codec) -> TopicTime:
    """Read each partition up to its first punctuation. Raises UnknownTopicError, KafkaUnreachableError."""
    first: dict[int, Punctuation] = {}
    unpunctuated: list[int] = []
    async with open_log(settings, JOURNEY_EVENTS, catalog=codec.catalog) as log:
        for partition in range(log.partition_count):
            punctuation, has_others = await _first_punctuation(log, partition, codec)
            if punctuation is not None:
                first[partition] = punctuation
            elif has_others:
                unpunctuated.append(partition)
    return TopicTime(first, unpunctuated)


async def _first_punctuation(log: LogReader, partition: int, codec: Codec) -> tuple[Punctuation | None, bool]:
    """First punctuation, and whether other records than policies precede it."""
    has_others = False
    async with aclosing(log.read_partition(partition)) as batches:
        async for batch in batches:
            for record in batch.records:
                try:
                    decoded = codec.decode_input(record.value)
                except InvalidRecordError:
                    has_others = True
                    continue
                if isinstance(decoded, Punctuation) and _counts(decoded, append_time_of(record)):
                    return decoded, has_others
                has_others = has_others or not isinstance(decoded, PolicyChanged)
    return None, has_others


def _counts(punctuation: Punctuation, append_time: int | None) -> bool:
    """Whether a partition's first punctuation is none that becomes a dead letter, which says nothing of its time."""
    try:
        require_counting(None, punctuation, append_time)
    except InvalidRecordError:
        return False
    return True
