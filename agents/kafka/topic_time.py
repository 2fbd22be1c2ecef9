"""Whose time the input topic keeps: live or simulated, as its first punctuations say."""

from __future__ import annotations

from contextlib import aclosing
from typing import NamedTuple

from journeys.agents.kafka.log_reader import LogReader, open_log
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import PolicyChanged, Punctuation
from journeys.schemas.topics import JOURNEY_EVENTS


class TopicTime(NamedTuple):
    """The first punctuation of every partition that has one, and the partitions that hold records but none."""

    first: dict[int, Punctuation]
    unpunctuated: list[int]

    @property
    def time_source(self) -> str | None:
        """`live` if any partition is, else `simulated` if any is, else None."""
        sources = {punctuation.time_source for punctuation in self.first.values()}
        return min(sources, default=None)


async def topic_time(settings: Settings, codec: Codec) -> TopicTime:
    """Read each partition up to its first punctuation. Raises UnknownTopicError, KafkaUnreachableError."""
    first: dict[int, Punctuation] = {}
    unpunctuated: list[int] = []
    async with open_log(settings, JOURNEY_EVENTS, catalog=codec.catalog) as log:
        for partition in range(log.partition_count):
            found, others = await _first_punctuation(log, partition, codec)
            if found is not None:
                first[partition] = found
            elif others:
                unpunctuated.append(partition)
    return TopicTime(first, unpunctuated)


async def _first_punctuation(log: LogReader, partition: int, codec: Codec) -> tuple[Punctuation | None, bool]:
    """First punctuation, and whether anything but policies stands before it."""
    others = False
    async with aclosing(log.read_partition(partition)) as batches:
        async for batch in batches:
            for record in batch.records:
                try:
                    found = codec.decode_input(record.value)
                except InvalidRecordError:
                    others = True
                    continue
                if isinstance(found, Punctuation):
                    return found, others
                others = others or not isinstance(found, PolicyChanged)
    return None, others
