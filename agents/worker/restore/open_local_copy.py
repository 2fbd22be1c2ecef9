"""Makes the local copy that the settings name."""

from __future__ import annotations

from journeys.agents.settings.settings import Settings
from journeys.agents.worker.ports.local_copy import LocalCopy, NoLocalCopy
from journeys.agents.worker.restore.worker_slot import WorkerSlot


def open_local_copy(settings: Settings, slot: WorkerSlot) -> LocalCopy:
    """Local copy of the settings, in the worker's slot. Raises ModuleNotFoundError without the extra `rocksdb`."""
    if settings.store == "memory://":
        return NoLocalCopy()
    from journeys.agents.worker.restore.rocksdb_store import RocksdbStore  # noqa: PLC0415 - an extra that most workers do without

    return RocksdbStore(slot)
