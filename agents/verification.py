"""Whether live published what a replay of the input gives: nothing lost, nothing extra, nothing different."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from agents.settings import Settings
from streams.effects import Counts

SHOWN_DIFFERENCES: Final = 10


class Difference(NamedTuple):
    """One output that is not as the replay says; `text` is the whole sentence."""

    kind: Literal["missing", "extra", "different"]
    topic: str
    output_id: str
    text: str


@dataclass(slots=True)
class TopicComparison:
    """One output topic against the replay. Counts are of ids, but for `duplicates`: of messages."""

    topic: str
    equal: int = 0
    missing: int = 0
    extra: int = 0
    different: int = 0
    duplicates: int = 0
    """Messages that say once more what was said, field by field."""
    ahead: int = 0
    """Published during the verification, by input behind the replayed: not judged."""
    differences: list[Difference] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is missing, extra or different."""
        return not (self.missing or self.extra or self.different)


@dataclass(slots=True)
class VerifyReport:
    """The comparison of all output topics, and what became of the input records."""

    abandonments: TopicComparison
    lifecycle: TopicComparison
    dead_letters: TopicComparison
    counts: Counts
    records_read: int
    lag: dict[int, int | None]
    """By partition, input records that the worker's group had not committed; None where it never did."""

    @property
    def counts_add_up(self) -> bool:
        """Whether every record read counts in exactly one kind."""
        return self.counts.read == self.records_read

    @property
    def lag_total(self) -> int:
        """Input records that the group had not committed; all of a partition where it never did."""
        raise NotImplementedError

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

    `progress` gets records read and records to read. Raises LogHeadGoneError, UnknownTopicError,
    ReaderStalledError, KafkaUnreachableError, RegistryUnreachableError.
    """
    raise NotImplementedError
