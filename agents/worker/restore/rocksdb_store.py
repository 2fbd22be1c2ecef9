"""The local copy of a worker's partitions in RocksDB: one database for each, in a folder that is this worker's own.

    <data_dir>/tables/<application_id>/worker-1/<partition>

Nothing that goes wrong here stops the worker: a copy that does not fit is thrown away, one that can't be written is
left as it is, each with a line in the log. Only a copy that turns out to be damaged when Faust has already been told
to read no more than the tail ends the process, for the restart to read all.
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
from journeys.streams.partition.changelog import StoredRow

log = logging.getLogger("journeys.copy")
_THROWN_AWAY = ".old"


class RocksdbStore:
    """A LocalCopy on disk, in the slot of its worker, which `close` releases."""

    def __init__(self, slot: WorkerSlot) -> None:
        self._slot = slot
        self._open: dict[int, RocksdbPartition] = {}
        log.info("rows are kept in %s", self._slot.folder)

    async def open(
        self, numbers: Collection[int], changelog: Callable[[], Awaitable[ChangelogState]], catalog: Catalog
    ) -> None:
        """Open partitions that came; those that are open already stay as they are."""
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
            except Exception:  # RocksDB and the file system have no common kind
                log.exception("partition %d: no rows are kept here", number)

    def close_others(self, kept: Collection[int]) -> None:
        """Close partitions that left; what is kept of them waits for their return."""
        for number in self._open.keys() - set(kept):
            self._let_go(number)

    def complete_to(self, number: int) -> int | None:
        """Changelog offset up to which the copy of a partition is complete; None without one."""
        partition = self._open.get(number)
        return None if partition is None else partition.complete_to

    def rows(self, number: int) -> Iterable[StoredRow]:
        """Rows of a partition. Raises DamagedCopyError, and then they are gone."""
        partition = self._open.get(number)
        if partition is None:
            return
        try:
            yield from partition.rows()
        except Exception as error:  # RocksDB raises no other kind
            self._let_go(number)
            _remove(self._folder(number))
            raise DamagedCopyError(
                f"partition {number}: rows kept here were damaged and are gone; a restart reads the changelog ({error})"
            ) from error

    def put(self, number: int, rows: Iterable[StoredRow], complete_to: int | None, as_of_ms: int) -> None:
        """Keep rows; where the disk does not take them, the worker goes on without, and the copy stays as it was."""
        partition = self._open.get(number)
        if partition is None or not partition.is_read:
            return
        try:
            partition.put(rows, complete_to, as_of_ms)
        except Exception:  # RocksDB raises no other kind
            log.exception("partition %d: rows can't be kept here any more", number)
            self._let_go(number)

    def close(self) -> None:
        """Close all databases and let go of the slot."""
        self.close_others(())
        self._slot.release()

    def _opened(self, number: int, state: ChangelogState, catalog: Catalog) -> RocksdbPartition:
        """Database of a partition: the one that is there if it fits, else a new one."""
        folder = self._folder(number)
        if folder.exists():
            found: RocksdbPartition | None = None
            why: str | None = None
            try:
                found = RocksdbPartition(folder, catalog)
                why = found.why_unfit(number, state)
            except Exception as error:  # RocksDB raises no other kind
                why = f"they can't be read ({error})"
            if found is not None and why is None:
                return found
            if found is not None:
                found.close()
            log.warning(
                "partition %d: rows kept here are thrown away and the changelog is read, because %s", number, why
            )
        _remove(folder)
        partition = RocksdbPartition(folder, catalog)
        partition.bind(state)
        return partition

    def _let_go(self, number: int) -> None:
        with suppress(Exception):  # a disk that takes no more; what was put is in RocksDB's log, or can be read again
            self._open.pop(number).close()

    def _folder(self, number: int) -> Path:
        return self._slot.folder / str(number)


def _remove(folder: Path) -> None:
    """Remove a database, in such a way that half of one is never taken for a whole one."""
    old = folder.with_name(folder.name + _THROWN_AWAY)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
        shutil.rmtree(old)
