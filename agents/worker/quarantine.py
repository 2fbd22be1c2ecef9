"""The quarantine: passes over a record that kills or hangs every worker which takes its partition.

Each worker notes in the table where it begins (`StartRow`). Where others have begun before it and did not get past,
what lies there may have killed them, in native code, without a trace. So it is tried in a child process; only what the
child dies of, twice, is skipped, by a mark in the log (`OffsetSkipped`). A worker that was killed from outside, or by
want of Kafka, skips nothing: its records come through the trial.
"""

from __future__ import annotations

import asyncio
import logging
from multiprocessing import get_context
from time import monotonic
from typing import TYPE_CHECKING, Final

from journeys.agents.worker.record_trial import Trial, try_records
from journeys.schemas.codec import plain_codec
from journeys.schemas.records import OffsetSkipped
from journeys.schemas.rows import START_KEY
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.partition.starts import is_trial_due, next_start
from journeys.streams.stored.stored_row import StoredRow

if TYPE_CHECKING:
    from journeys.agents.settings.settings import Settings
    from journeys.agents.worker.mark_keeper import MarkKeeper
    from journeys.agents.worker.ports.worker_ports import Outbox
    from journeys.streams.partition.protocols import JourneyPartition

log = logging.getLogger("journeys.quarantine")
_MOST_RECORDS: Final = 500_000
"""More than a worker applies before it stores how far it has come."""
_MOST_OF_A_FETCH: Final = 100_000
_RECORD_SECONDS: Final = 30.0
"""A record takes some microseconds; one that has not come through by then hangs."""
_READ_SECONDS: Final = 60.0
_TRIAL_SECONDS: Final = 75.0
"""Less than the guards give a restore that does not get on."""
_END_SECONDS: Final = 10.0
_WHO: Final = "quarantine"


class Quarantine:
    """Notes where a worker begins, and tries what earlier ones did not get past."""

    def __init__(self, settings: Settings, marks: MarkKeeper, outbox: Outbox) -> None:
        self._settings = settings
        self._marks = marks
        self._outbox = outbox

    async def begin(self, partition: JourneyPartition) -> None:
        """Note the start of a restored partition, and pass over what no worker gets past."""
        position = partition.applied_offset + 1
        partition.started = start = next_start(partition.started, position)
        await self._outbox.write_rows(partition.number, [StoredRow(START_KEY, plain_codec().encode(start), position)])
        if is_trial_due(start) and self._marks.looked_to(partition.number) > position:
            await self._look(partition, position, start.starts - 1)

    async def _look(self, partition: JourneyPartition, position: int, starts: int) -> None:
        place = f"{JOURNEY_EVENTS}[{partition.number}]"
        log.warning("%s: %d workers began at offset %d and did not get past: it is tried", place, starts, position)
        fetch = await self._first_deadly(partition, position, position + _MOST_RECORDS, one_by_one=False)
        found = fetch and await self._first_deadly(partition, fetch[0], fetch[0] + _MOST_OF_A_FETCH)
        if found is None:
            log.warning("%s: no record from offset %d on ends a trial: nothing is skipped", place, position)
            return
        offset, _ = found
        again = await self._first_deadly(partition, offset, offset + 1)
        if again is None:
            log.warning("%s: offset %d ended one trial and not the other: nothing is skipped", place, offset)
            return
        reason = f"it ended {starts} workers and two trials: {again[1]}"
        log.error("%s: offset %d is skipped for good: %s", place, offset, reason)
        await self._marks.append(partition.number, [OffsetSkipped(offset, reason, _WHO)])

    async def _first_deadly(
        self, partition: JourneyPartition, first: int, end: int, *, one_by_one: bool = True
    ) -> tuple[int, str] | None:
        """Try records in a child; gives the offset of the first that ends it, and how; None where there is none.

        Not one by one, it is the first of a fetch that ends it: as fast as a worker.
        """
        trial = Trial(self._settings, partition.number, partition.count, first, end, partition.marks, one_by_one)
        return await asyncio.to_thread(_ended_by, trial)


def _ended_by(trial: Trial) -> tuple[int, str] | None:
    """Run a trial; gives the offset of the record that ended its process, and how; None where none did."""
    spawning = get_context("spawn")  # a fork would take locks of this process's threads with it
    receiver, sender = spawning.Pipe(duplex=False)
    child = spawning.Process(target=try_records, args=(trial, sender), daemon=True)
    child.start()
    sender.close()
    offset: int | None = None
    until = monotonic() + _TRIAL_SECONDS
    try:
        while receiver.poll(min(_READ_SECONDS if offset is None else _RECORD_SECONDS, max(0.0, until - monotonic()))):
            offset = receiver.recv()
        if monotonic() >= until:
            return None  # so much was tried that the rest is left
        return None if offset is None else (offset, f"no end within {_RECORD_SECONDS:g} s")
    except EOFError:
        child.join(_END_SECONDS)
        return None if offset is None else (offset, f"the process ended with {child.exitcode}")
    finally:
        receiver.close()
        child.kill()
        child.join(_END_SECONDS)
