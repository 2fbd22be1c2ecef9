"""Metrics of a worker, read from its parts at each scrape, so that they cost nothing in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, start_http_server
from psutil import Process

from journeys.agents.settings.operation_error import OperationError
from journeys.agents.worker.metric_families import LoopMetrics
from journeys.clock import now_ms
from journeys.schemas import metrics
from journeys.schemas.metrics import Sample
from journeys.streams.partition.abandonment_metrics import booked_samples

if TYPE_CHECKING:
    from faust.types import TP

    from journeys.agents.settings.settings import Settings
    from journeys.agents.worker.guards.memory_limit import MemoryLimit
    from journeys.agents.worker.journey_agent import JourneyAgent
    from journeys.agents.worker.ports.worker_ports import Worker
    from journeys.agents.worker.restore.restore_progress import RestoreProgress
    from journeys.streams.partition.protocols import JourneyPartition

_MODE: Final = "worker"
# A flush takes milliseconds; one that takes this long is waiting for Kafka.
_WAITS_FOR_KAFKA_SECONDS: Final = 5.0
_MS: Final = 1_000


class MetricsServer:
    """Serves metrics over HTTP on its own thread; empty until `serve` adds a worker's."""

    def __init__(self, settings: Settings) -> None:
        """Raises OperationError if the port can't be bound."""
        self._registry = CollectorRegistry()
        host, port = settings.metrics_host, settings.metrics_port
        assert port is not None
        try:
            self._server, self._thread = start_http_server(port, host, self._registry)
        except OSError as error:
            raise OperationError(
                f"{host}:{port} can't be listened on for metrics ({error.strerror or error}): set "
                "JOURNEYS_METRICS_HOST and JOURNEYS_METRICS_PORT (0 takes a free port)"
            ) from None
        self.address = f"http://{host}:{self._server.server_port}/metrics"

    def serve(self, worker: WorkerMetrics) -> None:
        """Add a worker's metrics; to be called within the worker's event loop."""
        self._registry.register(LoopMetrics(_MODE, worker.read))

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class WorkerMetrics:
    """Metrics of a worker's parts. It runs in the worker's event loop, so never while a batch is applied."""

    def __init__(self, worker: Worker, agent: JourneyAgent, memory: MemoryLimit, progress: RestoreProgress) -> None:
        self._worker = worker
        self._agent = agent
        self._limit = memory
        self._progress = progress
        self._process = Process()

    async def read(self) -> Sequence[Sample]:
        """Current values of all metrics."""
        partitions = {number: processor.partition for number, processor in self._worker.store.processors.items()}
        held = sum(len(partition.rows) for partition in partitions.values())
        return [
            *self._records(),
            *_journeys(partitions, held),
            *self._lags(partitions),
            *self._restore(),
            *self._memory(held),
        ]

    def _records(self) -> Iterator[Sample]:
        agent = self._agent
        longest = monotonic() - _WAITS_FOR_KAFKA_SECONDS
        yield Sample(metrics.HEALTHY, all(since > longest for since in agent.flushing_since.values()))
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
        now = now_ms()
        for number, partition in sorted(partitions.items()):
            if partition.time_source == "live" and partition.clock is not None:
                yield Sample(metrics.CLOCK_LAG, max(0, now - partition.clock) / _MS, (str(number),))
        consumer = self._worker.consumer
        for tp, position in sorted(consumer.next_position.items()):
            end = self._end(tp)
            if end is not None:
                yield Sample(metrics.RECORD_LAG, max(0, end - position), (str(tp.partition),))

    def _end(self, tp: TP) -> int | None:
        """End offset as of the last fetch; None before the first, or if the partition was just revoked."""
        try:
            end: int | None = self._worker.consumer.highwater(tp)
        except Exception:  # aiokafka asserts, or raises IllegalStateError, for what is not assigned
            return None
        return end

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
