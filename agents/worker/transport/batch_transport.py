"""Batch transport: one Faust message for each partition fetch, whose value is the list of records.

Faust's own path costs hundreds of microseconds a record. This replaces the few methods of its consumer that deliver
records and track offsets (so faust-streaming is pinned), and leaves groups, rebalancing, restore and threads to Faust.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode.threads import MethodQueue

from journeys.agents.kafka.followed_cluster import follow_cluster
from journeys.agents.worker.ports.batch import Batch
from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now
from journeys.agents.worker.transport.group_membership import name_more_errors
from journeys.agents.worker.transport.idempotent_producer import IdempotentProducer
from journeys.agents.worker.transport.lost_position import lost_position

if TYPE_CHECKING:
    from journeys.agents.worker.ports.worker_ports import InputOwner

log = logging.getLogger("journeys.transport")
_WHILE_REBALANCING_SECONDS = 0.1
_WHILE_FULL_SECONDS = 0.02
_FETCH_WAIT_MS = 100
_NOTHING_ACTIVE_SECONDS = 0.02
_NO_ROOM_SECONDS = 0.005
_MS = 1_000.0
# A fetch, and what may wait for a broker meanwhile: a commit, the watchdog's question, seeks, a report of the lag.
_CALLS = 8


class _NeverRead(dict[TP, int | None]):
    """Replaces Consumer._read_offset: its filter would drop a batch by the offset of its last record."""

    def __getitem__(self, tp: TP) -> None:
        return None

    def get(self, tp: TP, default: Any = None) -> None:  # noqa: ARG002  (dict's signature)
        return None


class WorkerConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust is not typed
    """Faust's consumer thread, with short fetch waits, and leaving the group when it is stopped.

    A broker answers the requests of a connection in order, so the requests of a restore wait for the fetch before them.
    Faust lets an empty fetch wait for 1.5 s, which happened three times between a restore and the first batch.

    aiokafka keeps static members in the group when they stop, so that they get their partitions back. A worker that was
    stopped on purpose may not come back, and its partitions would wait for the end of its session: so it leaves.
    """

    async def on_start(self) -> None:
        """Start the consumer, and note from then on what becomes of its membership."""
        await super().on_start()
        self.app.membership.note_losses(self._consumer._coordinator)

    @property
    def method_queue(self) -> MethodQueue:
        """The thread's calls: Faust has two at a time, and two that wait for a broker would keep it from fetching."""
        self._method_queue: MethodQueue | None
        if self._method_queue is None:
            self._method_queue = MethodQueue(num_workers=_CALLS, loop=self.thread_loop, beacon=self.beacon)
        return self._method_queue

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS
        follow_cluster(consumer._client)
        return consumer

    async def on_thread_stop(self) -> None:
        """Leave the group and stop."""
        if self._consumer is not None:
            self._consumer._coordinator._group_instance_id = None
        await super().on_thread_stop()


class BatchConsumer(driver.Consumer):  # type: ignore[misc]  # Faust is not typed
    """Faust's consumer, delivering lists of records.

    `next_position` is the offset of the next record to apply, for each active input partition: the only offset that is
    ever committed.
    """

    app: InputOwner

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = _NeverRead()
        self.next_position: dict[TP, int] = {}
        self._epochs: defaultdict[TP, int] = defaultdict(int)
        self._requested_seeks: dict[TP, int] = {}
        self._fetched_from: dict[TP, int] = {}
        self._held: set[TP] = set()

    def _new_consumer_thread(self) -> WorkerConsumerThread:
        return WorkerConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109  (Faust's signature)
        """Yield one message for each partition fetch."""
        await self._perform_seeks_back()
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        # Records dropped here were fetched before a rebalance; Faust seeks every partition after it.
        for fetched_tp, fetched in records.items():
            if not fetched:
                continue
            tp = TP(fetched_tp.topic, fetched_tp.partition)
            fetched_from = self._fetched_from.pop(tp, None)
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                # aiokafka's position has moved past these dropped records: the next batch will show a gap.
                continue
            last = fetched[-1]
            is_all = self._is_all(tp, last.offset)
            batch = Batch(fetched, self._epochs[tp], fetched_from, is_all=is_all)
            yield tp, self._message(tp, batch, last.timestamp, generation)

    def _is_all(self, tp: TP, last_offset: int) -> bool:
        """Whether the broker's last fetch response knew of no record behind this one."""
        try:
            end = self.highwater(tp)
        except AssertionError:  # of aiokafka: a rebalance has just revoked the partition
            return True
        return end is None or last_offset + 1 >= end

    def _message(self, tp: TP, batch: Batch, timestamp: int | None, generation_id: int) -> ConsumerMessage:
        """Faust's message for a batch: at the last offset, and without the fields of a single record."""
        no_type, no_headers = 0, ()
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            batch.last_offset,
            (timestamp or 0) / _MS,
            no_type,
            no_headers,
            None,
            batch,
            None,
            tp=tp,
            generation_id=generation_id,
        )

    async def _wait_next_records(
        self,
        timeout: float,  # noqa: ASYNC109  (Faust's signature)
    ) -> tuple[Mapping[Any, list[Any]] | None, set[TP] | None]:
        """Fetch. While all buffers are full, Faust would wait a whole second, even if there is room before."""
        if self.flow_active and self._buffered_partitions and not self._get_active_partitions():
            await asyncio.sleep(_NO_ROOM_SECONDS)
            return {}, set()
        fetched: tuple[Mapping[Any, list[Any]] | None, set[TP] | None] = await super()._wait_next_records(timeout)
        return fetched

    async def _getmany(
        self,
        active_partitions: set[TP],
        timeout: float,  # noqa: ASYNC109  (Faust's signature)
    ) -> Mapping[Any, list[Any]]:
        """Fetch; during a rebalance, only changelogs.

        After a restore Faust seeks the input and then clears all stream queues: input that was delivered in between
        would be lost. Faust also passes its live set of partitions to aiokafka, which pausing empties, and an empty set
        means "all" there: so this passes a copy, and never an empty one.
        """
        active = set(active_partitions).difference(self._held, self.app.held_back)
        if self.app.rebalancing:
            active = {tp for tp in active if self._is_changelog_tp(tp)}
            timeout = min(timeout, _WHILE_REBALANCING_SECONDS)
        elif self._buffered_partitions:
            # A longer wait for other partitions would not end when a full buffer has room again.
            timeout = min(timeout, _WHILE_FULL_SECONDS)
        if not active:
            await asyncio.sleep(_NOTHING_ACTIVE_SECONDS)
            return {}
        records: Mapping[Any, list[Any]] = await super()._getmany(active, timeout)
        return records

    async def perform_seek(self) -> None:
        """Seek every restored input partition to the record behind the last one applied.

        The offset of the partition row counts, not the committed offset of the group.
        """
        mine = [tp for tp in self.assignment() if tp.topic == self.app.input_topic]
        wanted = {tp: at for tp in mine if (at := self.app.store.next_offset(tp.partition)) is not None}
        if not wanted:
            return
        first = await self._thread.earliest_offsets(*wanted)
        ends = await self.highwaters(*wanted)
        for tp, position in wanted.items():
            wanted[tp] = self._checked_position(tp, position, first.get(tp) or 0, ends.get(tp) or 0)
        self._requested_seeks.clear()
        self._fetched_from.clear()
        if not await self._seek(wanted):
            return
        for tp, position in wanted.items():
            self._acked.pop(tp, None)
            self._acked_index.pop(tp, None)
            self._committed_offset[tp] = None
            self.next_position[tp] = position
            # Commit it, too: the group may have an older one, of a worker that was killed before its commit.
            self._acked[tp].append(position - 1)

    def _checked_position(self, tp: TP, position: int, first: int, end: int) -> int:
        lost = lost_position(tp, position, first, end)
        if lost is not None:
            end_now(WorkerExit.SETUP, lost)
        return position

    async def lost_positions(self) -> dict[TP, str]:
        """Partitions whose next record is not in the log any more, with what happened to it."""
        positions = dict(self.next_position)
        if not positions:
            return {}
        first = await self._thread.earliest_offsets(*positions)
        ends = await self.highwaters(*positions)
        found = {
            tp: lost_position(tp, position, first.get(tp) or 0, end)
            for tp, position in positions.items()
            if (end := ends.get(tp)) is not None
        }
        return {tp: why for tp, why in found.items() if why is not None}

    def is_gap(self, tp: TP, batch: Batch) -> bool:
        """Whether records are missing between the next position and a batch that begins behind it.

        None are if the fetch began at that position: then there are only control records in between, which are never
        delivered.
        """
        return batch.fetched_from != self.next_position[tp]

    def seek_back(self, tp: TP) -> None:
        """Fetch again from the next position; batches that were fetched before are dropped or skipped.

        The seek is made between two fetches: a fetch that is waiting during a seek would return records from the old
        position.
        """
        self._requested_seeks[tp] = self.next_position[tp]

    def is_held(self, tp: TP) -> bool:
        """Whether a partition is not fetched for the time being."""
        return tp in self._held

    def hold(self, tp: TP) -> None:
        """Fetch no more of a partition; what was fetched before may be dropped."""
        self._held.add(tp)

    def let_go(self, tp: TP) -> None:
        """Fetch a partition again, from its next position on."""
        self._held.discard(tp)
        if tp in self.next_position:
            self.seek_back(tp)

    async def _perform_seeks_back(self) -> None:
        """Make the requested seeks back while no fetch is running, so that the next fetch begins there."""
        wanted, self._requested_seeks = self._requested_seeks, {}
        if wanted and await self._seek(wanted):
            self._fetched_from.update(wanted)
            for tp in wanted:
                self._epochs[tp] += 1

    async def _seek(self, positions: Mapping[TP, int]) -> bool:
        """Seek; False if a partition was just revoked: the end of the rebalance seeks again."""
        try:
            await self.seek_wait(positions)
        except IllegalStateError as error:
            log.info("a rebalance interrupted a seek: %s", error)
            return False
        return True

    def has_sought_since(self, tp: TP, batch: Batch) -> bool:
        """Whether a seek back was made or requested since the batch was fetched."""
        return batch.epoch != self._epochs[tp] or tp in self._requested_seeks

    async def commit_positions(self) -> None:
        """Commit the next position of every partition; at this point Faust has dropped its acknowledgements."""
        if not self.next_position:
            return
        for tp, position in self.next_position.items():
            self._acked[tp].append(position - 1)
        await self.commit()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Stop work on all partitions; the app's barrier waits for the batch in flight."""
        await super().on_partitions_revoked(revoked)
        self.next_position.clear()
        self._requested_seeks.clear()
        self._fetched_from.clear()
        self._held.clear()

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: `next_position` tracks gaps."""

    def _new_offset(self, tp: TP) -> int | None:
        """Offset to commit: the next position, never the greatest acknowledged one."""
        if not self._acked[tp]:
            return None
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return self.next_position.get(tp)

    def _should_commit(self, tp: TP, offset: int | None) -> bool:
        committed = self._committed_offset[tp]
        return offset is not None and (committed is None or offset > committed)


class BatchTransport(driver.Transport):  # type: ignore[misc]  # Faust is not typed
    """Faust's aiokafka transport with our consumer and producer."""

    Consumer = BatchConsumer
    Producer = IdempotentProducer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name_more_errors()
