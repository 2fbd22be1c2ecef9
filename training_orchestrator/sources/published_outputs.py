"""Published records with their positions, and the protocol of the sources that a feed reads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple, Protocol, TypeAlias

from journeys.schemas.records import JourneyAbandoned, JourneyLifecycle

Place: TypeAlias = tuple[str, int]
"""Topic and partition; for a file its name and 0."""


class PublishedRecord(NamedTuple):
    """One output with its topic, partition and offset."""

    place: Place
    offset: int
    record: JourneyAbandoned | JourneyLifecycle


class FeedSource(Protocol):
    """Source of published records, in order of their offsets within each place."""

    name: str
    """Kind and identity, which is part of a checkpoint."""

    continues: frozenset[str]
    """Names of the sources whose checkpoints are valid here; the feed removes duplicates by their ids."""

    def records(self, positions: Mapping[Place, int], *, follow: bool) -> AsyncIterator[list[PublishedRecord]]:
        """Yield batches from `positions` on (places without a position: from their beginning).

        Ends at the present end unless `follow`; with it, yields empty batches from time to time.
        Raises StoreUnavailableError.
        """

    async def end_positions(self) -> dict[Place, int]:
        """Positions behind the last record of each place. Raises StoreUnavailableError."""

    async def topic_ids(self) -> dict[str, str]:
        """Ids of the topics as they are, by name; empty where there are none. Raises StoreUnavailableError."""

    async def positions_since(self, at: int) -> dict[Place, int]:
        """Positions before every record detected at `at` (ms) or later; earlier records may follow them, too."""
