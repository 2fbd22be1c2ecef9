"""Why a worker does not do its work at the moment, as /ready tells it."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING, Final

from journeys.agents.health.condition import Reason
from journeys.schemas import metrics
from journeys.schemas.metrics import Sample

if TYPE_CHECKING:
    from journeys.agents.worker.guards.guards import Guards
    from journeys.agents.worker.journey_agent import JourneyAgent
    from journeys.agents.worker.log_ends import LogEnds
    from journeys.agents.worker.ports.worker_ports import MemoryGate, Worker
    from journeys.agents.worker.restore.restore_progress import RestoreProgress

# A flush or an answer takes milliseconds; one that takes this long is waiting for Kafka.
_WAITS_FOR_KAFKA_SECONDS: Final = 5.0
# Half of what the watchdog waits before it ends the worker.
_STANDS_STILL_SECONDS: Final = 60.0


class WorkerCondition:
    """Looks at the parts of a worker; to be asked in its event loop."""

    def __init__(
        self,
        worker: Worker,
        agent: JourneyAgent,
        memory: MemoryGate,
        progress: RestoreProgress,
        log_ends: LogEnds,
        guards: Guards,
    ) -> None:
        self._worker = worker
        self._agent = agent
        self._memory = memory
        self._progress = progress
        self._log_ends = log_ends
        self._guards = guards

    def reasons(self) -> Iterator[Reason]:
        """Why it does not work; none: it does."""
        yield from self._membership()
        kafka = self.waiting_for_kafka()
        if kafka is not None:
            yield Reason("kafka", kafka)
        if self._memory.is_reached:
            yield Reason("memory", "no input is taken for want of memory (JOURNEYS_MEMORY_LIMIT_MIB)")

    def longest_hold(self) -> Iterator[Sample]:
        """For how long one call kept all other threads from running, by both clocks."""
        guard = self._guards.freeze
        yield Sample(metrics.LONGEST_HOLD, guard.longest_hold_seconds, ("wall",))
        yield Sample(metrics.LONGEST_HOLD, guard.longest_hold_cpu_seconds, ("cpu",))

    def waiting_for_kafka(self) -> str | None:
        """Since when Kafka is waited for, in words; None if it is not."""
        now = monotonic()
        flush = min(self._agent.flushing_since.values(), default=now)
        if now - flush > _WAITS_FOR_KAFKA_SECONDS:
            return f"Kafka has not acknowledged outputs for {now - flush:.0f} s"
        unanswered = self._log_ends.unanswered_since
        if unanswered is not None and now - unanswered > _WAITS_FOR_KAFKA_SECONDS:
            return f"Kafka has not told the ends of the partitions for {now - unanswered:.0f} s"
        return None

    def _membership(self) -> Iterator[Reason]:
        progress, worker = self._progress, self._worker
        if progress.is_under_way:
            yield Reason(
                "restoring", f"{progress.read} of {progress.read + progress.remaining} changelog records are read"
            )
        elif worker.rebalancing or not worker.rebalancing_count:
            yield Reason("joining", "the group has not given this worker its partitions yet")
        elif unowned := self._guards.group.unowned:
            numbers = ", ".join(map(str, sorted(unowned)))
            yield Reason("no-partitions", f"it has no partitions though {numbers} have no owner")
        elif (still := self._guards.watchdog.still_seconds) > _STANDS_STILL_SECONDS:
            yield Reason("stuck", f"a partition with records to apply has not moved for {still:.0f} s")
