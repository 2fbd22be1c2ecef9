"""Whether live published what a replay of the input gives: nothing lost, nothing extra, nothing different.

A worker may be at work meanwhile. First the ends of the output topics are noted, then those of the input: what
was published before the first had its cause before the second, so the replay must give all of it, and what it
does not give is extra. When the replay is done, the output topics are read to the end that they have then: what
was published in the meantime can still be what the replay gives, but never extra (it is `ahead`). What the
replay gives and is not there is missing, and the report says how far the worker's group was behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

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
    """The comparison of all output topics, and what became of the input records."""

    abandonments: TopicComparison
    lifecycle: TopicComparison
    dead_letters: TopicComparison
    counts: Counts
    records_read: int
    lag: dict[int, int | None]
    """By partition, input offsets that the worker's group had not committed; None where it never did."""
    lag_total: int
    """Sum of them; where the group never committed, all of the partition."""

    @property
    def counts_add_up(self) -> bool:
        """Whether every record read counts in exactly one kind."""
        return self.counts.read == self.records_read

    @property
    def ok(self) -> bool:
        """Whether live equals replay."""
        return self.counts_add_up and self.abandonments.ok and self.lifecycle.ok and self.dead_letters.ok


async def verify(
    settings: Settings,
    *,
    shown: int = SHOWN_DIFFERENCES,
    progress: Callable[[int, int], None] | None = None,
) -> VerifyReport:
    """Replay the input topic and compare with the output topics; `shown` differences of each topic are put in words.

    `progress` gets records read and offsets to read, of the input. Raises RecordsDeletedError, UnknownTopicError,
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
            await _see(log, comparisons[topic])
    results = {topic: comparison.result() for topic, comparison in comparisons.items()}
    return VerifyReport(
        abandonments=results[JOURNEY_ABANDONMENTS],
        lifecycle=results[JOURNEY_LIFECYCLE],
        dead_letters=results[DEAD_LETTERS],
        counts=replay.counts,
        records_read=replay.records_read,
        lag=lag,
        lag_total=sum(replay.end_offsets[number] if behind is None else behind for number, behind in lag.items()),
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


async def _see(log: LogReader, comparison: OutputComparison) -> None:
    """Show the comparison everything that the topic holds by now."""
    ends = await log.end_offsets_now()
    for number, end in ends.items():
        noted = log.end_offsets[number]
        async for batch in log.read_partition(number, end=end):
            for record in batch.records:
                place = f"{log.topic}[{number}] offset {record.offset}"
                comparison.see(record.value, place, is_ahead=record.offset >= noted)
