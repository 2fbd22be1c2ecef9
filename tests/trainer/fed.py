"""Random logs: each record with the items that a feed gives for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from journeys.schemas.records import InputRecord
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from tests.properties.draft import COUNT, NUMBER
from training_orchestrator import CorrectionRule, FeedItem, RewardRule
from training_orchestrator.feed.feed_checkpoint import FeedCheckpoint
from training_orchestrator.feed.feed_progress import FeedProgress
from training_orchestrator.sources.published_outputs import PublishedRecord


def partition() -> Partition:
    """The partition that random logs are of."""
    return Partition(NUMBER, COUNT)


def fed(
    entries: Sequence[Entry],
    as_of: int | None = None,
    rewards: RewardRule | None = None,
    corrections: CorrectionRule | None = None,
) -> Iterator[tuple[InputRecord | Exception, list[FeedItem]]]:
    """Each record, and the items that a feed gives for it."""
    processor = Processor(partition())
    checkpoint = FeedCheckpoint("log", as_of)
    progress = FeedProgress(
        checkpoint, rewards or RewardRule(), corrections or CorrectionRule(), 0, gives_conversions=True
    )
    for entry in entries:
        effects = processor.process([entry])
        items = []
        for output in [*effects.abandonments, *effects.lifecycle]:
            item = progress.take(PublishedRecord(("log", 0), entry.offset, output))
            while item is not None:
                items.append(item)
                item = progress.due()
        yield entry.record, items


def micros(items: Sequence[FeedItem]) -> int:
    """Sum of the rewards of items, each in millionths."""
    return sum(item.reward_micros for item in items)
