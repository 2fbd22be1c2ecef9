"""The condition of a worker: whether it gets on, and if not, what it waits for. Read by whoever serves its health."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journeys.agents.worker.guards.admission import Admission
    from journeys.agents.worker.guards.group_guard import GroupGuard
    from journeys.agents.worker.guards.loop_guard import LoopGuard
    from journeys.agents.worker.guards.watchdog import Watchdog
    from journeys.agents.worker.ports.worker_ports import MemoryGate, Worker
    from journeys.agents.worker.restore.restore_progress import RestoreProgress
    from journeys.agents.worker.transport.group_membership import GroupMembership

WAITS_FOR_KAFKA_SECONDS: Final = 5.0
"""A flush takes milliseconds; one that takes this long is waiting for Kafka."""
_SILENT_SECONDS: Final = 15.0
"""A call that takes this long is out of the ordinary."""
_STILL_SECONDS: Final = 60.0
"""A partition that stands still for half of the watchdog's patience."""


class State(StrEnum):
    """What a worker is doing."""

    WORKING = "working"
    SURPLUS = "surplus"
    """It has no partitions, and all have owners: it waits to take over."""
    JOINING = "joining"
    """It is no member of its group yet, or the group is being rebalanced."""
    RESTORING = "restoring"
    WAITING_FOR_KAFKA = "waiting for Kafka"
    NO_MEMORY = "no memory"
    """Its memory limit is reached: it takes no input."""
    WITHOUT_PARTITIONS = "without partitions"
    """It has no partitions, though some have no owner."""
    STUCK = "stuck"
    """It does not get on; if that lasts, it ends by itself."""


class Condition(NamedTuple):
    """State of a worker, with a sentence for people."""

    state: State
    why: str

    @property
    def is_ready(self) -> bool:
        """Whether it works, or would if it were needed."""
        return self.state in (State.WORKING, State.SURPLUS)

    @property
    def is_live(self) -> bool:
        """Whether there is no reason to end it from outside."""
        return self.state is not State.STUCK


@dataclass(frozen=True, slots=True)
class ConditionReader:
    """Reads a worker's condition from its parts; from any thread, since a loop that is stuck can't be asked."""

    worker: Worker
    membership: GroupMembership
    admission: Admission
    group_guard: GroupGuard
    watchdog: Watchdog
    loop_guard: LoopGuard
    memory: MemoryGate
    progress: RestoreProgress
    flushing_since: Mapping[Any, float]
    """Start of each running flush, by the monotonic clock."""

    def read(self) -> Condition:
        """Condition at this moment; of several states, the one that explains the others."""
        if self.loop_guard.silent_seconds > _SILENT_SECONDS:
            return Condition(State.STUCK, f"one call has taken {self.loop_guard.silent_seconds:.0f} s so far")
        flushing = [monotonic() - since for since in list(self.flushing_since.values())]
        if max(flushing, default=0.0) > WAITS_FOR_KAFKA_SECONDS:
            return Condition(State.WAITING_FOR_KAFKA, f"a flush has not been acknowledged for {max(flushing):.0f} s")
        if not self.admission.is_connected:
            return Condition(State.WAITING_FOR_KAFKA, "no broker is connected")
        if self.progress.is_under_way:
            read, remaining, made = self.progress.read, self.progress.remaining, self.progress.made
            return Condition(
                State.RESTORING, f"{read} of {read + remaining} changelog records read, {made} journeys made"
            )
        if not self.membership.is_member or self.worker.rebalancing:
            return Condition(State.JOINING, "its group has not given it its partitions yet")
        return self._of_member()

    def _of_member(self) -> Condition:
        if self.memory.is_reached:
            return Condition(State.NO_MEMORY, "the memory limit is reached: no input is taken")
        if self.group_guard.unowned:
            numbers = ", ".join(map(str, sorted(self.group_guard.unowned)))
            return Condition(State.WITHOUT_PARTITIONS, f"it has no partitions, and {numbers} have no owner")
        if self.watchdog.still_seconds > _STILL_SECONDS:
            return Condition(State.STUCK, f"a partition has made no progress for {self.watchdog.still_seconds:.0f} s")
        if self.group_guard.is_surplus:
            return Condition(State.SURPLUS, "all partitions have owners: it waits to take over")
        return Condition(State.WORKING, "it has its partitions and gets on with them")
