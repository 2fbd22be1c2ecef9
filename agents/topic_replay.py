"""Replay of the input topic through the pure core: the same decisions as live, partition by partition."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from agents.settings import Settings
from schemas.codec import Codec
from streams.effects import Counts, Effects
from streams.policy import Policy


class TopicReplay:
    """One replay. Attributes grow as it goes: `counts`, `records_read` of `records_total`, and `clocks` by partition.

    `records_total` counts offsets: transaction markers are among them.
    """

    counts: Counts
    records_read: int
    records_total: int
    clocks: dict[int, int | None]

    def __init__(
        self,
        settings: Settings,
        *,
        policy: Policy | None = None,
        until: int | None = None,
        end_offsets: Mapping[int, int] | None = None,
        codec: Codec | None = None,
    ) -> None:
        """Replay under `policy` instead of the log's, up to `until` (ms), or to given end offsets by partition."""

    def effects(self) -> AsyncIterator[Effects]:
        """Yield effects in order of partition, then of firing; each covers one fetch at most.

        The first record whose time lies after `until` ends its partition. Adds no punctuation.
        Raises LogHeadGoneError if a partition does not begin at 0, UnknownTopicError, ReaderStalledError,
        KafkaUnreachableError, RegistryUnreachableError.
        """
        raise NotImplementedError
