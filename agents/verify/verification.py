"""Compares published outputs with a replay of the input: none may be missing, extra or different.

A worker may run meanwhile. The end offsets of the output topics are read first, then those of the input. Outputs before
these ends were caused by input before its end, so the replay gives all of them; one that it does not give is extra.
After the replay the output topics are read to their ends of then: later outputs may equal the replay's, but never count
as extra (they are `ahead`). Outputs of the replay that were not published are missing; the report has the group's lag.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from journeys.agents.inspect.stored_topics import replaced_since_stored
from journeys.agents.kafka.group_lag import group_lag
from journeys.agents.kafka.log_reader import LogReader, open_log
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.output_comparison import OUTPUT_RECORDS, Difference, OutputComparison, TopicComparison
from journeys.agents.verify.topic_replay import TopicReplay
from journeys.schemas.codec import Codec
from journeys.schemas.topics import DEAD_LETTERS, JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from journeys.streams.partition.effects import Counts

__all__ = ["SHOWN_DIFFERENCES", "Difference", "TopicComparison", "VerifyReport", "verify"]

SHOWN_DIFFERENCES: Final = 10


@dataclass(slots=True)
class VerifyReport:
    """Comparison of all output topics, and counts of the input records by outcome."""

    abandonments: TopicComparison
    lifecycle: TopicComparison
    dead_letters: TopicComparison
    counts: Counts
    records_read: int
    lag: dict[int, int | None]
    """Lag of the worker's group by partition; None where it never committed."""
    lag_total: int
    """Sum of the lag; of a partition without a commit, all offsets."""
    replaced: list[str]
    """Topics that are not those that the table was made with, a sentence each."""

    @property
    def counts_add_up(self) -> bool:
        """Whether every record read counts in exactly one kind."""
        return self.counts.read == self.records_read

    @property
    def ok(self) -> bool:
        """Whether the published outputs equal the replay, and are of the topics that the workers know."""
        return (
            not self.replaced
            and self.counts_add_up
            and self.abandonments.ok
            and self.lifecycle.ok
            and self.dead_letters.ok
        )


async def verify(
    settings: Settings,
    *,
    shown: int = SHOWN_DIFFERENCES,
    progress: Callable[[int, int], None] | None = None,
) -> VerifyReport:
    """Replay the input topic and compare with the output topics; `shown` differences of each topic are described.

    `progress` gets the input records read and the offsets to read. Raises RecordsDeletedError, UnknownTopicError,
    ReaderStalledError, KafkaUnreachableError, RegistryUnreachableError.
    """
    codec = Codec()
    comparisons = {topic: OutputComparison(topic, record, codec, shown) for topic, record in OUTPUT_RECORDS}
    async with AsyncExitStack() as stack:
        logs = {
            topic: await stack.enter_async_context(open_log(settings, topic, catalog=codec.catalog))
            for topic, _ in OUTPUT_RECORDS
        }
        for log in logs.values():
            log.require_complete()
        replay = TopicReplay(settings, codec=codec)
        await _expect(replay, comparisons, progress)
        lag = await group_lag(settings, replay.end_offsets)
        for topic, log in logs.items():
            await _add_published(log, comparisons[topic])
    results = {topic: comparison.result() for topic, comparison in comparisons.items()}
    return VerifyReport(
        abandonments=results[JOURNEY_ABANDONMENTS],
        lifecycle=results[JOURNEY_LIFECYCLE],
        dead_letters=results[DEAD_LETTERS],
        counts=replay.counts,
        records_read=replay.records_read,
        lag=lag,
        lag_total=sum(replay.end_offsets[number] if behind is None else behind for number, behind in lag.items()),
        replaced=await replaced_since_stored(settings),
    )


async def _expect(
    replay: TopicReplay, comparisons: Mapping[str, OutputComparison], progress: Callable[[int, int], None] | None
) -> None:
    async for effects in replay.effects():
        for abandonment in effects.abandonments:
            comparisons[JOURNEY_ABANDONMENTS].expect(abandonment)
        for record in effects.lifecycle:
            comparisons[JOURNEY_LIFECYCLE].expect(record)
        for letter in effects.dead_letters:
            comparisons[DEAD_LETTERS].expect(letter)
        if progress is not None:
            progress(replay.records_read, replay.offsets_total)


async def _add_published(log: LogReader, comparison: OutputComparison) -> None:
    """Pass all present messages of a topic to its comparison."""
    ends = await log.end_offsets_now()
    for number, end in ends.items():
        first_end = log.end_offsets[number]
        async for batch in log.read_partition(number, end=end):
            for record in batch.records:
                place = f"{log.topic}[{number}] offset {record.offset}"
                comparison.add_published(record.value, place, is_ahead=record.offset >= first_end)
