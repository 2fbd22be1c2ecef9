"""Metrics of a worker, read from its parts at each scrape, so that they cost nothing in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from psutil import Process

from journeys.agents.health.metric_families import readiness
from journeys.clock import now_ms
from journeys.schemas import metrics
from journeys.schemas.metrics import Sample
from journeys.streams.partition.abandonment_metrics import booked_samples

if TYPE_CHECKING:
    from journeys.agents.worker.guards.clock_check import ClockCheck
    from journeys.agents.worker.journey_agent import JourneyAgent
    from journeys.agents.worker.log_ends import LogEnds
    from journeys.agents.worker.ports.worker_ports import MemoryGate, Worker
    from journeys.agents.worker.restore.restore_progress import RestoreProgress
    from journeys.agents.worker.worker_condition import WorkerCondition
    from journeys.streams.partition.protocols import JourneyPartition

_MS: Final = 1_000


class WorkerMetrics:
    """Metrics of a worker's parts. It runs in the worker's event loop, so never while a batch is applied."""

    def __init__(
        self,
        worker: Worker,
        agent: JourneyAgent,
        memory: MemoryGate,
        progress: RestoreProgress,
        log_ends: LogEnds,
        condition: WorkerCondition,
        partition_count: int,
        clock_check: ClockCheck,
    ) -> None:
        self._worker = worker
        self._agent = agent
        self._limit = memory
        self._progress = progress
        self._log_ends = log_ends
        self._condition = condition
        self._partition_count = partition_count
        self._clock_check = clock_check
        self._process = Process()

    async def read(self) -> Sequence[Sample]:
        """Current values of all metrics."""
        partitions = {number: processor.partition for number, processor in self._worker.store.processors.items()}
        held = sum(len(partition.rows) for partition in partitions.values())
        return [
            *readiness(tuple(self._condition.reasons())),
            *self._records(),
            *self._owned(partitions),
            *_journeys(partitions, held),
            *self._lags(partitions),
            *self._restore(),
            *self._memory(held),
            *self._condition.longest_hold(),
        ]

    def _records(self) -> Iterator[Sample]:
        agent = self._agent
        yield Sample(metrics.HEALTHY, self._condition.waiting_for_kafka() is None)
        yield from booked_samples(agent.tally)
        counts = agent.counts
        yield Sample(metrics.APPLIED, counts.applied)
        yield Sample(metrics.LATE, counts.late)
        yield Sample(metrics.DUPLICATES, counts.duplicate)
        yield Sample(metrics.REFUSED, counts.refused)
        yield Sample(metrics.DEAD_LETTERS, counts.dead)
        yield Sample(metrics.FORGOTTEN, agent.journeys_deleted)
        yield Sample(metrics.DROPPED_BATCHES, agent.batches_dropped)
        yield Sample(metrics.SCHEMA_IDS_WAITING, sum(map(len, agent.schemas.waiting.values())))

    def _lags(self, partitions: dict[int, JourneyPartition]) -> Iterator[Sample]:
        now, differences_ms = now_ms(), self._clock_check.differences_ms
        for number, partition in sorted(partitions.items()):
            difference_ms = differences_ms.get(number)
            if difference_ms is not None:
                yield Sample(metrics.CLOCK_DIFFERENCE, difference_ms / _MS, (str(number),))
            if partition.time_source == "live" and partition.clock is not None:
                # By the broker's time, where it is known: a wrong clock of this machine must not hide a standstill.
                lag_ms = now - (difference_ms or 0) - partition.clock
                yield Sample(metrics.CLOCK_LAG, lag_ms / _MS, (str(number),))
        for tp, lag in sorted(self._log_ends.lags().items()):
            yield Sample(metrics.RECORD_LAG, lag, (str(tp.partition),))
        for tp, position in sorted(self._worker.consumer.next_position.items()):
            yield Sample(metrics.NEXT_OFFSET, position, (str(tp.partition),))

    def _owned(self, partitions: Iterable[int]) -> Iterator[Sample]:
        yield Sample(metrics.INPUT_PARTITIONS, self._partition_count)
        for number in sorted(partitions):
            yield Sample(metrics.OWNED, 1, (str(number),))

    def _restore(self) -> Iterator[Sample]:
        progress = self._progress
        yield Sample(metrics.RESTORING, progress.is_under_way)
        yield Sample(metrics.RESTORE_READ, progress.read)
        yield Sample(metrics.RESTORE_REMAINING, progress.remaining)
        if progress.seconds is not None:
            yield Sample(metrics.RESTORE_SECONDS, progress.seconds)

    def _memory(self, held: int) -> Iterator[Sample]:
        memory = self._process.memory_info().rss
        yield Sample(metrics.MEMORY, memory)
        if held:
            yield Sample(metrics.MEMORY_PER_JOURNEY, memory / held)
        yield Sample(metrics.MEMORY_LIMIT, self._limit.is_reached)


def _journeys(partitions: dict[int, JourneyPartition], held: int) -> Iterator[Sample]:
    yield Sample(metrics.ACTIVE, sum(partition.open_count() for partition in partitions.values()))
    yield Sample(metrics.HELD, held)
    yield Sample(metrics.CLEANUP_LAG, max((one.cleanup_lag_ms() for one in partitions.values()), default=0) / _MS)
