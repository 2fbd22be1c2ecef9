"""The local copy: rows of the table on the worker's disk, so that a restart reads only the end of the changelog.

The changelog is the source of truth. A copy is complete to a changelog offset if it holds, for every key, the winning
row of all records up to that offset; it may hold newer rows, too. It may be deleted at any time: the partition is then
restored from the beginning of the changelog.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import TYPE_CHECKING, Protocol

from journeys.schemas.catalog import Catalog
from journeys.streams.stored.stored_row import StoredRow

if TYPE_CHECKING:
    from journeys.agents.kafka.changelog_state import ChangelogState


class LocalCopy(Protocol):
    """Copies of a worker's partitions, by number. A copy that is not open is neither read nor written."""

    async def open(
        self, numbers: Collection[int], changelog: Callable[[], Awaitable[ChangelogState]], catalog: Catalog
    ) -> None:
        """Open the copies of assigned partitions. One that does not fit the changelog or the schemas is deleted.

        `changelog` may raise UnknownChangelogError; then nothing is opened.
        """

    def close_others(self, kept: Collection[int]) -> None:
        """Close all copies but those of the `kept` partitions."""

    def complete_to(self, number: int) -> int | None:
        """Changelog offset up to which the copy is complete; None if there is no copy."""

    def rows(self, number: int) -> Iterable[StoredRow]:
        """Winning rows of all records up to `complete_to`, at most one for each key. Raises DamagedCopyError."""

    def put(self, number: int, rows: Iterable[StoredRow], complete_to: int | None, as_of_ms: int) -> None:
        """Store rows that the changelog has acknowledged, none older than the stored row of its key.

        With them the copy is complete up to `complete_to`; None leaves that unchanged. `as_of_ms` (since the epoch) is
        not later than any record behind that offset: a copy older than the life of the changelog's tombstones may lack
        deletions, and is deleted when it is opened. Does nothing before `rows` was read to its end: until then the
        worker's state does not contain what the copy holds.
        """

    def close(self) -> None:
        """Close all copies."""


class DamagedCopyError(Exception):
    """A copy can't be read and was deleted: a restart restores the partition from the changelog."""


class NoLocalCopy:
    """No copy: every restore reads the whole changelog."""

    async def open(
        self, numbers: Collection[int], changelog: Callable[[], Awaitable[ChangelogState]], catalog: Catalog
    ) -> None:
        """Open nothing."""

    def close_others(self, kept: Collection[int]) -> None:
        """Close nothing."""

    def complete_to(self, number: int) -> None:
        """None: there is no copy."""

    def rows(self, number: int) -> Iterable[StoredRow]:  # noqa: ARG002  (the protocol's signature)
        """No rows."""
        return ()

    def put(self, number: int, rows: Iterable[StoredRow], complete_to: int | None, as_of_ms: int) -> None:
        """Store nothing."""

    def close(self) -> None:
        """Close nothing."""
