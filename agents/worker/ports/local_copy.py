"""The local copy: rows of the table on the worker's own disk, so that a restart reads only the changelog's tail.

The changelog is the truth. A copy is complete to a changelog offset: it then holds, for every key, the winner of
all records up to there (and perhaps newer rows). It is never complete to an offset whose rows it lacks. It may be
thrown away at any time: the partition is then restored from the changelog's beginning.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import TYPE_CHECKING, Protocol

from journeys.schemas.catalog import Catalog
from journeys.streams.partition.changelog import StoredRow

if TYPE_CHECKING:
    from journeys.agents.kafka.changelog_state import ChangelogState


class LocalCopy(Protocol):
    """Copies of a worker's partitions, by number. What is not open is neither read nor written."""

    async def open(
        self, numbers: Collection[int], changelog: Callable[[], Awaitable[ChangelogState]], catalog: Catalog
    ) -> None:
        """Open partitions that came, for the changelog and the schemas of now. A copy that does not fit is thrown away.

        `changelog` may raise UnknownChangelogError; then nothing is opened.
        """

    def close_others(self, kept: Collection[int]) -> None:
        """Close the partitions that left."""

    def complete_to(self, number: int) -> int | None:
        """Changelog offset up to which the copy is complete; None where there is nothing to begin with."""

    def rows(self, number: int) -> Iterable[StoredRow]:
        """Winners of all records up to `complete_to`, at most one a key. Raises DamagedCopyError."""

    def put(self, number: int, rows: Iterable[StoredRow], complete_to: int | None, as_of_ms: int) -> None:
        """Keep rows that the changelog has acknowledged, none older than the one that is kept.

        `complete_to`: with them the copy is complete up to that offset; None leaves that where it was. `as_of`: an
        instant (seconds since the epoch) before all that the changelog got behind that offset; a copy that is older
        than the changelog's tombstones may lack deletions, and is thrown away when it is opened.
        Does nothing before all of `rows` were read: who has not begun with them can't know what it lacks.
        """

    def close(self) -> None:
        """Close everything, in peace."""


class DamagedCopyError(Exception):
    """A copy can't be read. It is gone: a restart restores the partition from the changelog."""


class NoLocalCopy:
    """Keeps nothing: every restore begins at the changelog's beginning."""

    async def open(
        self, numbers: Collection[int], changelog: Callable[[], Awaitable[ChangelogState]], catalog: Catalog
    ) -> None:
        """Open nothing."""

    def close_others(self, kept: Collection[int]) -> None:
        """Close nothing."""

    def complete_to(self, number: int) -> None:
        """Nothing is here to begin with."""

    def rows(self, number: int) -> Iterable[StoredRow]:  # noqa: ARG002  (the protocol's signature)
        """No rows."""
        return ()

    def put(self, number: int, rows: Iterable[StoredRow], complete_to: int | None, as_of_ms: int) -> None:
        """Keep nothing."""

    def close(self) -> None:
        """Close nothing."""
