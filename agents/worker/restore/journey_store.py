"""The journey table for Faust: a table whose store holds partitions of the pure core.

Faust manages subscription, restore and rebalancing of the changelog. Rows are held decoded, in
journeys.streams.partition.state.Partition, and are written to the changelog by the flusher: Faust's own tables write
one record at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import faust
from faust.stores.memory import Store as MemoryStore
from faust.types import TP

from journeys.agents.kafka.changelog_state import ChangelogState, changelog_state
from journeys.agents.kafka.schema_registry import RegistryUnreachableError
from journeys.agents.kafka.tombstone import tombstone_offset
from journeys.agents.kafka.topic_identity import replaced_topics
from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now
from journeys.agents.worker.restore.restore_progress import RestoreProgress
from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.streams.partition.garbage_collector import kept_for_ever
from journeys.streams.partition.protocols import JourneyProcessor
from journeys.streams.partition.restore import PIECE_RECORDS, Restore, TableMismatchError
from journeys.streams.rule.clock import UnknownRuleVersionError
from journeys.streams.stored.restored_rows import UnreadableRowError
from journeys.streams.stored.stored_row import StoredRow

if TYPE_CHECKING:
    from journeys.agents.worker.ports.worker_ports import TableOwner

log = logging.getLogger("journeys.store")
_ASK_AGAIN_SECONDS = 2.0


class _InterruptedError(Exception):
    """A rebalance has begun while a partition was being made: it is read anew, or somebody else's."""


class JourneyStore(MemoryStore):  # type: ignore[misc]  # Faust is not typed
    """Partitions by number, restored from changelog batches."""

    app: TableOwner

    def __post_init__(self) -> None:
        super().__post_init__()
        self.processors: dict[int, JourneyProcessor] = {}
        self._restores: dict[int, Restore] = {}
        self.progress = RestoreProgress()
        self._assigned_at_ms = 0
        """When partitions were last assigned: before the ends of their changelogs were read."""
        self._assignments = 0
        """How often partitions were assigned: a restore of an earlier time is of no use."""

    @property
    def codec(self) -> Codec:
        """Codec of the app."""
        return self.app.codec

    def next_offset(self, number: int) -> int | None:
        """Offset of the input record to apply next; None while the partition is not restored."""
        processor = self.processors.get(number)
        return None if processor is None else processor.partition.applied_offset + 1

    def apply_changelog_batch(self, batch: Iterable[Any], to_key: Any, to_value: Any) -> None:  # noqa: ARG002  (Faust's signature)
        """Collect fetched changelog records; Faust calls this while it restores."""
        try:
            for event in batch:
                message = event.message
                if (
                    not self._is_in_memory(message.partition)
                    and message.generation_id != self.app.consumer_generation_id
                ):
                    continue  # fetched before the partition was revoked: a restore can't begin there
                self._restore_of(message.partition).add_all(
                    [
                        (record.key, tombstone_offset(record.headers) if record.value is None else record.value)
                        for record in message.value
                    ]
                )
            read = sum(restore.read for restore in self._restores.values())
            self.progress.report(read, self.app.tables.recovery.active_remaining_total())
        except UnreadableRowError as error:
            end_now(WorkerExit.SETUP, _unreadable(error))
        except BaseException as error:
            log.exception("restore")
            end_now(WorkerExit.FAILED, f"the changelog can't be read: {error!r}")

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Drop partitions that were revoked, and open the local copies of new ones."""
        del revoked, newly_assigned, generation_id
        self._assigned_at_ms = now_ms()
        self._assignments += 1
        changelog = self.table.changelog_topic_name
        mine = {tp.partition for tp in assigned if tp.topic == changelog}
        for number in {*self.processors, *self._restores} - mine:
            self.processors.pop(number, None)
            self._restores.pop(number, None)
        self.app.local_copy.close_others(mine)
        new = {number for number in mine if not self._is_in_memory(number)}
        await self.app.local_copy.open(new, self._changelog, self.codec.catalog)

    def persisted_offset(self, tp: TP) -> int | None:
        """Changelog offset from which Faust reads a partition; None continues where it stopped, or at the first."""
        if not self._is_in_memory(tp.partition):
            # It must be read from the end of its copy on, not from an offset of an earlier assignment.
            self.app.tables.recovery.active_offsets.pop(tp, None)
        complete_to: int | None = self.app.local_copy.complete_to(tp.partition)
        return complete_to

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Build partitions from the records read; Faust calls this before it fetches any input."""
        del standby_tps
        try:
            await self._complete(active_tps)
        except _InterruptedError:
            log.info("a rebalance interrupted a restore")
        except (TableMismatchError, UnknownRuleVersionError) as error:
            end_now(WorkerExit.SETUP, str(error))
        except UnreadableRowError as error:
            end_now(WorkerExit.SETUP, _unreadable(error))
        except BaseException as error:
            log.exception("restore")
            end_now(WorkerExit.FAILED, f"the table can't be restored: {error!r}")

    async def _complete(self, active_tps: set[TP]) -> None:
        # A changelog that was given partitions has more than the input, and the worker is about to end for it.
        active_tps = {tp for tp in active_tps if tp.partition < self.app.partition_count}
        if not self._all_read(active_tps):
            # Faust also calls this when a rebalance interrupts a restore, and restores again afterwards.
            log.info("a rebalance interrupted a restore")
            return
        read = stale = kept = 0
        with kept_for_ever():
            for tp in sorted(active_tps):
                restore = await self._complete_one(tp, read)
                read, stale, kept = read + restore.read, stale + restore.stale, kept + restore.kept
        await self.app.marks.read(tp.partition for tp in active_tps)
        for tp in sorted(active_tps):
            if tp.partition in self.processors:
                await self.app.quarantine.begin(self.processors[tp.partition].partition)
        log.info(
            "restored: partitions %s, %d changelog records (%d stale)%s, %d journeys, %.2f s",
            sorted(tp.partition for tp in active_tps),
            read,
            stale,
            f" onto {kept} rows kept here" if kept else "",
            self._journey_count(),
            self.progress.end(),
        )

    def _all_read(self, active_tps: set[TP]) -> bool:
        """Whether the changelogs were read up to their ends of when the restore began."""
        recovery = self.app.tables.recovery
        recovery.flush_buffers()
        ends, read = recovery.active_highwaters, recovery.active_offsets
        return all(tp in ends and read.get(tp) is not None and read[tp] >= ends[tp] for tp in active_tps)

    async def _complete_one(self, tp: TP, read_before: int) -> Restore:
        """Make a partition of its changelog. Raises _InterruptedError where a rebalance has begun meanwhile."""
        number, highwater = tp.partition, self.app.tables.recovery.active_highwaters[tp]
        restore = self._restore_of(number)
        del self._restores[number]
        held = self.processors.get(number)
        # One that is held takes all that others wrote meanwhile, or nothing: no rebalance may find it half done.
        assignments = self._assignments if held is None else None
        if held is None:
            await self._take_kept(number, restore, assignments)
        await self._learn_schemas(restore)
        if held is None:
            processor = self.app.engine.processor(number, self.app.partition_count, self.codec)
            rewrites = restore.missing_schemas(self.codec)
            made = self._journey_count()
            for rows in restore.pieces_onto(processor.partition, self.codec):
                rewrites += rows
                self._report(read_before + restore.read, made + len(processor.partition.rows))
                await self._let_others_run(assignments)
        else:
            processor = held
            rewrites = restore.onto(held.partition, self.codec)
        if replaced := replaced_topics(processor.partition.topic_ids, self.app.topic_ids):
            raise TableMismatchError("; ".join(replaced))
        processor.partition.topic_ids = self.app.topic_ids or None
        self.app.flusher.begin(number, highwater + 1)
        await self._store(number, restore, rewrites, assignments)
        self.app.local_copy.put(number, (), highwater, self._assigned_at_ms)
        self.processors[number] = processor
        for _ in restore.forget():
            await asyncio.sleep(0)
        return restore

    async def _take_kept(self, number: int, restore: Restore, assignments: int | None) -> None:
        """Begin with the rows of the local copy, and look whether the changelog has its beginning."""
        rows = iter(self.app.local_copy.rows(number))
        while piece := list(islice(rows, PIECE_RECORDS)):
            restore.keep(piece)
            await self._let_others_run(assignments)
        if restore.lacks_its_beginning():
            raise TableMismatchError(
                f"the changelog lacks the beginning of partition {number}, because it was deleted and created again "
                "under a running worker: stop all workers and rebuild the table from the input topic with "
                "`journeys check --rebuild`"
            )

    async def _store(
        self, number: int, restore: Restore, rewrites: Sequence[StoredRow], assignments: int | None
    ) -> None:
        """Store what was read in the local copy, and write rows again that a stale one hides."""
        # The copy may become complete to a stale record only after the newer row that it hides was written again.
        newer = {row.key for row in rewrites}
        rows = (row for row in restore.winners() if row.key not in newer)
        for _ in range(0, restore.read, PIECE_RECORDS):
            self.app.local_copy.put(number, islice(rows, PIECE_RECORDS), None, 0)
            await self._let_others_run(assignments)
        await self.app.flusher.write_rows(number, rewrites)
        await self._let_others_run(assignments)

    async def _let_others_run(self, assignments: int | None) -> None:
        """Give the event loop its turn.

        Raises _InterruptedError if partitions were assigned anew since there were so many assignments; None never does.
        """
        await asyncio.sleep(0)
        if assignments is not None and self._assignments != assignments:
            raise _InterruptedError

    def _report(self, read: int, made: int) -> None:
        waiting = sum(one.read for one in self._restores.values())
        self.progress.report(read + waiting, 0, made)

    async def _learn_schemas(self, restore: Restore) -> None:
        """Ask the registry for schemas of rows that the table does not tell itself; waits while it is away."""
        prefixes = restore.unknown_prefixes(self.codec)
        while prefixes and self.app.registry is not None:
            try:
                await self.app.registry.learn_from(prefixes)
                return
            except RegistryUnreachableError as error:
                log.warning("a restore waits for schemas of rows: %s", error)
                await asyncio.sleep(_ASK_AGAIN_SECONDS)

    def _journey_count(self) -> int:
        return sum(len(processor.partition.rows) for processor in self.processors.values())

    def _is_in_memory(self, number: int) -> bool:
        """Whether a partition is restored or being restored."""
        return number in self.processors or number in self._restores

    def _restore_of(self, number: int) -> Restore:
        """Restore under way of a partition."""
        self.progress.begin()
        return self._restores.setdefault(number, Restore())

    async def _changelog(self) -> ChangelogState:
        return await changelog_state(self.app.client_options, self.app.changelog_topic)


def _unreadable(error: UnreadableRowError) -> str:
    return (
        f"{error}; nothing was written: run the version that wrote it, or rebuild the table from the input topic "
        "with `journeys check --rebuild`"
    )


class JourneyTable(faust.Table):  # type: ignore[misc]  # Faust is not typed
    """Faust's table with a JourneyStore."""

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
