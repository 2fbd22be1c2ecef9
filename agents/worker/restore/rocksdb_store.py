"""The local copy in RocksDB: a database for each partition, in the folder of the worker's slot.

    <data_dir>/tables/<application_id>/worker-1/<partition>

Errors here do not stop the worker: a copy that does not fit is deleted, one that can't be written is no longer used,
each with a line in the log. Only a copy that turns out to be damaged after Faust was told to read just the end of the
changelog ends the process; the restart reads all of it.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path

from journeys.agents.kafka.changelog_state import ChangelogState, UnknownChangelogError
from journeys.agents.worker.ports.local_copy import DamagedCopyError
from journeys.agents.worker.restore.rocksdb_partition import RocksdbPartition
from journeys.agents.worker.restore.worker_slot import WorkerSlot
from journeys.schemas.catalog import Catalog
from journeys.streams.stored.stored_row import StoredRow

log = logging.getLogger("journeys.copy")
_DELETED = ".old"


class RocksdbStore:
    """A LocalCopy on disk, in the worker's slot; `close` releases the slot."""

    def __init__(self, slot: WorkerSlot) -> None:
        self._slot = slot
        self._open: dict[int, RocksdbPartition] = {}
        log.info("rows are kept in %s", self._slot.folder)

    async def open(
        self, numbers: Collection[int], changelog: Callable[[], Awaitable[ChangelogState]], catalog: Catalog
    ) -> None:
        """Open the copies of partitions; those that are open already stay as they are."""
        wanted = sorted(set(numbers) - self._open.keys())
        if not wanted:
            return
        try:
            state = await changelog()
        except UnknownChangelogError as error:
            log.warning("partitions %s: rows kept here are not used, because %s", wanted, error)
            return
        for number in wanted:
            try:
                self._open[number] = self._opened(number, state, catalog)
            except Exception:  # RocksDB raises plain Exception
                log.exception("partition %d: no rows are kept here", number)

    def close_others(self, kept: Collection[int]) -> None:
        """Close all but the `kept` partitions; their files stay for a later assignment."""
        for number in self._open.keys() - set(kept):
            self._close(number)

    def complete_to(self, number: int) -> int | None:
        """Changelog offset up to which the copy of a partition is complete; None without one."""
        partition = self._open.get(number)
        return None if partition is None else partition.complete_to

    def rows(self, number: int) -> Iterable[StoredRow]:
        """Rows of a partition. Deletes a damaged copy and raises DamagedCopyError."""
        partition = self._open.get(number)
        if partition is None:
            return
        try:
            yield from partition.rows()
        except Exception as error:  # RocksDB raises plain Exception
            self._close(number)
            _remove(self._folder(number))
            raise DamagedCopyError(
                f"partition {number}: damaged rows kept here were deleted; a restart reads the changelog ({error})"
            ) from error

    def put(self, number: int, rows: Iterable[StoredRow], complete_to: int | None, as_of_ms: int) -> None:
        """Store rows; if that fails, the worker goes on without this copy, which stays as it was."""
        partition = self._open.get(number)
        if partition is None or not partition.is_read:
            return
        try:
            partition.put(rows, complete_to, as_of_ms)
        except Exception:  # RocksDB raises plain Exception
            log.exception("partition %d: rows can't be kept here any more", number)
            self._close(number)

    def close(self) -> None:
        """Close all databases and release the slot."""
        self.close_others(())
        self._slot.release()

    def _opened(self, number: int, state: ChangelogState, catalog: Catalog) -> RocksdbPartition:
        """Database of a partition: the existing one if it fits, else a new one."""
        folder = self._folder(number)
        if folder.exists():
            existing: RocksdbPartition | None = None
            why: str | None = None
            try:
                existing = RocksdbPartition(folder, catalog)
                why = existing.why_unfit(number, state)
            except Exception as error:  # RocksDB raises plain Exception
                why = f"they can't be read ({error})"
            if existing is not None and why is None:
                return existing
            if existing is not None:
                existing.close()
            log.warning(
                "partition %d: rows kept here are thrown away and the changelog is read, because %s", number, why
            )
        _remove(folder)
        partition = RocksdbPartition(folder, catalog)
        partition.bind(state)
        return partition

    def _close(self, number: int) -> None:
        with suppress(Exception):  # such as a full disk; what is lost can be read from the changelog again
            self._open.pop(number).close()

    def _folder(self, number: int) -> Path:
        return self._slot.folder / str(number)


def _remove(folder: Path) -> None:
    """Remove a database; it is renamed first, so that a half-removed one is never opened."""
    old = folder.with_name(folder.name + _DELETED)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
        shutil.rmtree(old)
