"""The journey table as Faust sees it: a table whose store holds partitions of the pure core.

Faust owns the changelog's subscription, restore and rebalancing. The rows live decoded in
streams.partition.Partition; they go to the changelog through the flusher, never through Faust's own
one-record-a-write path.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING, Any

import faust
from faust.stores.memory import Store as MemoryStore
from faust.types import TP

from agents.tombstone import tombstone_offset
from agents.worker_exit import WorkerExit, end_now
from schemas.codec import Codec
from streams.partition import Partition
from streams.processor import Processor
from streams.table import Restore, TableMismatchError

if TYPE_CHECKING:
    from agents.app import JourneyApp

log = logging.getLogger("journeys.store")


class JourneyStore(MemoryStore):  # type: ignore[misc]  # Faust is not typed
    """Partitions by number, restored from changelog batches."""

    app: JourneyApp

    def __post_init__(self) -> None:
        super().__post_init__()
        self.processors: dict[int, Processor] = {}
        self._restores: dict[int, Restore] = {}
        self._restore_began: float | None = None

    @property
    def codec(self) -> Codec:
        """Codec of the app, under the ids of its registry."""
        return self.app.codec

    def next_offset(self, number: int) -> int | None:
        """Offset of the input record to apply next; None while the partition is not restored."""
        processor = self.processors.get(number)
        return None if processor is None else processor.partition.applied_offset + 1

    def apply_changelog_batch(self, batch: Iterable[Any], to_key: Any, to_value: Any) -> None:  # noqa: ARG002  (Faust's signature)
        """Collect fetched changelog records; Faust calls this while it restores."""
        try:
            for event in batch:
                if self._restore_began is None:
                    self._restore_began = monotonic()
                restore = self._restores.setdefault(event.message.partition, Restore())
                for record in event.message.value:
                    restore.add(record.key, record.value, tombstone_offset(record.headers))
        except BaseException as error:
            log.exception("restore")
            end_now(WorkerExit.FAILED, f"the changelog can't be read: {error!r}")

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Drop what is not ours any more."""
        del revoked, newly_assigned, generation_id
        changelog = self.table.changelog_topic_name
        mine = {tp.partition for tp in assigned if tp.topic == changelog}
        for number in {*self.processors, *self._restores} - mine:
            self.processors.pop(number, None)
            self._restores.pop(number, None)
        offsets = self.app.tables.recovery.active_offsets
        for tp in [tp for tp in offsets if tp.partition not in {*self.processors, *self._restores}]:
            # Rows that are not here must be read from the start, whatever Faust remembers of an earlier time.
            offsets.pop(tp)

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Make partitions of what was read; before any input is fetched."""
        del standby_tps
        try:
            await self._complete(active_tps)
        except TableMismatchError as error:
            end_now(WorkerExit.SETUP, str(error))
        except BaseException as error:
            log.exception("restore")
            end_now(WorkerExit.FAILED, f"the table can't be restored: {error!r}")

    async def _complete(self, active_tps: set[TP]) -> None:
        began, self._restore_began = self._restore_began, None
        read = stale = 0
        for tp in sorted(active_tps):
            number = tp.partition
            restore = self._restores.pop(number, None) or Restore()
            processor = self.processors.get(number)
            partition = processor.partition if processor else Partition(number, self.app.partition_count)
            rewrites = restore.onto(partition, self.codec)
            read, stale = read + restore.read, stale + restore.stale
            self.app.flusher.begin(number, self.app.tables.recovery.active_highwaters[tp] + 1)
            await self.app.flusher.write_rows(number, rewrites)
            self.processors[number] = processor or Processor(partition)
        log.info(
            "restored: partitions %s, %d changelog records (%d stale), %d journeys, %.1f s",
            sorted(tp.partition for tp in active_tps),
            read,
            stale,
            sum(len(processor.partition.rows) for processor in self.processors.values()),
            0.0 if began is None else monotonic() - began,
        )


class JourneyTable(faust.Table):  # type: ignore[misc]  # Faust is not typed
    """Faust's table with the store above."""

    def _new_store(self) -> JourneyStore:
        return JourneyStore(
            "memory://",
            self.app,
            self,
            table_name=self.name,
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            loop=self.loop,
            options=None,
        )
