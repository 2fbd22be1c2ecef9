"""Batch transport: one Faust message for each partition fetch, its value the list of records.

Faust's own path costs hundreds of microseconds a record. This replaces the few methods of its consumer
that hand records over and keep offsets (faust-streaming is pinned for that reason), and leaves groups,
rebalancing, restore and threads to Faust.
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

from journeys.agents.worker.ports.batch import Batch
from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now
from journeys.agents.worker.transport.idempotent_producer import IdempotentProducer
from journeys.agents.worker.transport.metadata_questions import ask_in_peace

if TYPE_CHECKING:
    from journeys.agents.worker.ports.worker_ports import InputOwner

log = logging.getLogger("journeys.transport")
_WHILE_REBALANCING_SECONDS = 0.1
_WHILE_FULL_SECONDS = 0.02
_FETCH_WAIT_MS = 100
_NOTHING_ACTIVE_SECONDS = 0.02
_NO_ROOM_SECONDS = 0.005
_MS = 1_000.0


class _NeverRead(dict[TP, int | None]):
    """Stands for Consumer._read_offset, whose filter compares only the last offset of a message."""

    def __getitem__(self, tp: TP) -> None:
        return None

    def get(self, tp: TP, default: Any = None) -> None:  # noqa: ARG002  (dict's signature)
        return None


class WorkerConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust is not typed
    """Faust's consumer thread: its fetches wait only briefly, and when it is stopped it leaves the group.

    A broker answers one request of a connection after the other, so all that a restore asks waits for the fetch
    before it. Faust has fetches wait 1.5 s where there is nothing, three of which stood between a restore and the
    first batch.

    aiokafka lets static members stay in the group, so that they find their partitions when they come back. One
    that is killed does; one that is stopped may not come back, and its partitions would wait for its session's end.
    """

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS
        ask_in_peace(consumer._client)
        return consumer

    async def on_thread_stop(self) -> None:
        """Leave and stop."""
        if self._consumer is not None:
            self._consumer._coordinator._group_instance_id = None
        await super().on_thread_stop()


class BatchConsumer(driver.Consumer):  # type: ignore[misc]  # Faust is not typed
    """Faust's consumer, delivering lists.

    `next_position` is, for each input partition that may be worked on, the offset of the record that must
    be applied next: the only offset that is ever committed.
    """

    app: InputOwner

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = _NeverRead()
        self.next_position: dict[TP, int] = {}
        self._epochs: defaultdict[TP, int] = defaultdict(int)
        self._seeks_wanted: dict[TP, int] = {}
        self._fetched_from: dict[TP, int] = {}

    def _new_consumer_thread(self) -> WorkerConsumerThread:
        return WorkerConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109  (Faust's signature)
        """Yield one message for each partition fetch."""
        await self._make_seeks_wanted()
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        # What is dropped here was fetched before a rebalance; Faust seeks every partition when that is over.
        for fetched_tp, fetched in records.items():
            if not fetched:
                continue
            tp = TP(fetched_tp.topic, fetched_tp.partition)
            fetched_from = self._fetched_from.pop(tp, None)
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                # aiokafka's position has moved past records that nobody gets: what comes next will be a gap.
                continue
            last = fetched[-1]
            is_all = self._is_all(tp, last.offset)
            batch = Batch(fetched, self._epochs[tp], fetched_from, is_all=is_all)
            yield tp, self._message(tp, batch, last.timestamp, generation)

    def _is_all(self, tp: TP, last_offset: int) -> bool:
        """Whether the last answer of the broker named no record behind this one."""
        try:
            end = self.highwater(tp)
        except AssertionError:  # aiokafka's, in whose thread a rebalance has just taken the partition
            return True
        return end is None or last_offset + 1 >= end

    def _message(self, tp: TP, batch: Batch, timestamp: int | None, generation_id: int) -> ConsumerMessage:
        """Faust's message of a batch: it stands at the last offset, and what belongs to single records is empty."""
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
        """Fetch; where no partition's buffer has room, Faust waits a whole second, however soon there is some again."""
        if self.flow_active and self._buffered_partitions and not self._get_active_partitions():
            await asyncio.sleep(_NO_ROOM_SECONDS)
            return {}, set()
        found: tuple[Mapping[Any, list[Any]] | None, set[TP] | None] = await super()._wait_next_records(timeout)
        return found

    async def _getmany(
        self,
        active_partitions: set[TP],
        timeout: float,  # noqa: ASYNC109  (Faust's signature)
    ) -> Mapping[Any, list[Any]]:
        """Fetch; while a rebalance lasts, only changelogs.

        After a restore Faust seeks the input and then clears all stream queues: input that was delivered in
        between would be lost. And it hands aiokafka its live set of partitions, which pausing empties, and an
        empty set means "all" there: hence a copy, and no call with an empty one.
        """
        active = set(active_partitions)
        if self.app.rebalancing:
            active = {tp for tp in active if self._is_changelog_tp(tp)}
            timeout = min(timeout, _WHILE_REBALANCING_SECONDS)
        elif self._buffered_partitions:
            # A wait for the other partitions would not end when there is room for this one's again.
            timeout = min(timeout, _WHILE_FULL_SECONDS)
        if not active:
            await asyncio.sleep(_NOTHING_ACTIVE_SECONDS)
            return {}
        records: Mapping[Any, list[Any]] = await super()._getmany(active, timeout)
        return records

    async def perform_seek(self) -> None:
        """Seek every restored input partition to the record behind the last one applied.

        What the group has committed decides nothing: the partition row does.
        """
        mine = [tp for tp in self.assignment() if tp.topic == self.app.input_topic]
        wanted = {tp: at for tp in mine if (at := self.app.store.next_offset(tp.partition)) is not None}
        if not wanted:
            return
        first = await self._thread.earliest_offsets(*wanted)
        ends = await self.highwaters(*wanted)
        for tp, position in wanted.items():
            wanted[tp] = self._checked_position(tp, position, first.get(tp) or 0, ends.get(tp) or 0)
        self._seeks_wanted.clear()
        self._fetched_from.clear()
        if not await self._seek(wanted):
            return
        for tp, position in wanted.items():
            self._acked.pop(tp, None)
            self._acked_index.pop(tp, None)
            self._committed_offset[tp] = None
            self.next_position[tp] = position
            # The group may know an older position: of a worker that was killed before it could commit.
            self._acked[tp].append(position - 1)

    def _checked_position(self, tp: TP, position: int, first: int, end: int) -> int:
        if position > end:
            end_now(
                WorkerExit.SETUP,
                f"{tp.topic}[{tp.partition}] ends at offset {end}, the table has applied it up to {position - 1}: "
                "the topic was created anew or cut; give the new topic a new application id",
            )
        if position >= first:
            return position
        if position > 0:
            end_now(
                WorkerExit.SETUP,
                f"{tp.topic}[{tp.partition}] begins at offset {first}, the table needs {position}: "
                "records were deleted before they were applied",
            )
        log.warning("%s[%d] begins at offset %d: its head is gone", tp.topic, tp.partition, first)
        return first

    def is_gap(self, tp: TP, batch: Batch) -> bool:
        """Whether a batch that begins behind the next position leaves records out.

        It doesn't if its fetch began at that very position: then there is nothing in between but control records,
        which are never delivered.
        """
        return batch.fetched_from != self.next_position[tp]

    def seek_back(self, tp: TP) -> None:
        """Fetch again from the next position; batches fetched before are then dropped as gaps or skipped.

        The seek is made between two fetches. A fetch that waits meanwhile would bring what lies behind the new
        position, and the one after it would be taken for the first.
        """
        self._seeks_wanted[tp] = self.next_position[tp]

    async def _make_seeks_wanted(self) -> None:
        """Seek back where records were left out, while nothing is fetched: so the next fetch begins there."""
        wanted, self._seeks_wanted = self._seeks_wanted, {}
        if wanted and await self._seek(wanted):
            self._fetched_from.update(wanted)
            for tp in wanted:
                self._epochs[tp] += 1

    async def _seek(self, positions: Mapping[TP, int]) -> bool:
        """Seek; False where a rebalance has taken a partition meanwhile, whose end will seek again."""
        try:
            await self.seek_wait(positions)
        except IllegalStateError as error:
            log.info("a rebalance was faster than a seek: %s", error)
            return False
        return True

    def sought_since(self, tp: TP, batch: Batch) -> bool:
        """Whether a seek back was made since the batch was fetched, or is going to be."""
        return batch.epoch != self._epochs[tp] or tp in self._seeks_wanted

    async def commit_positions(self) -> None:
        """Commit the next position of every partition; Faust has forgotten its acknowledgements by now."""
        if not self.next_position:
            return
        for tp, position in self.next_position.items():
            self._acked[tp].append(position - 1)
        await self.commit()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Stop work on all partitions; the app's barrier waits for the batch in flight."""
        await super().on_partitions_revoked(revoked)
        self.next_position.clear()
        self._seeks_wanted.clear()
        self._fetched_from.clear()

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: gaps are what the contiguity of `next_position` is for."""

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
