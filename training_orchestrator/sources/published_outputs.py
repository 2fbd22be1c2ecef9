"""What a feed reads: published records with their place, whatever they come from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple, Protocol, TypeAlias

from journeys.schemas.records import JourneyAbandoned, JourneyLifecycle

Place: TypeAlias = tuple[str, int]
"""Topic and partition; for a file its name and 0."""


class PublishedRecord(NamedTuple):
    """One output, and where it stands."""

    place: Place
    offset: int
    record: JourneyAbandoned | JourneyLifecycle


class FeedSource(Protocol):
    """Where published records come from. Each place gives its records in order of their offsets."""

    name: str
    """Kind and identity, which a checkpoint bears."""

    continues: frozenset[str]
    """Names of sources whose checkpoints this one goes on from; ids see to it that nothing comes twice."""

    def records(self, positions: Mapping[Place, int], *, follow: bool) -> AsyncIterator[list[PublishedRecord]]:
        """Yield batches from `positions` on (places that it leaves out: from their beginning).

        Ends at the present end unless it follows; one that follows yields empty batches now and then.
        Raises StoreUnavailableError.
        """

    async def end_positions(self) -> dict[Place, int]:
        """Positions behind the last record of each place. Raises StoreUnavailableError."""

    async def positions_since(self, at: int) -> dict[Place, int]:
        """Positions in front of every record detected at `at` (ms) or later; earlier records may stand behind them."""
