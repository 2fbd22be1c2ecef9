"""The punctuator: writes the time into the input topic, so that the rule reads it as a record.

It is the only place where a worker reads a clock for the rule. It decides nothing: deadlines fire when the agent
reads the punctuation.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from operator import itemgetter
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from aiokafka.errors import TopicAuthorizationFailedError

from journeys.agents.worker.guards.clock_check import ClockCheck, Reading
from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now
from journeys.clock import now_ms
from journeys.schemas.records import PolicyChanged, Punctuation
from journeys.streams.partition.protocols import JourneyPartition
from journeys.streams.rule.clock import RULE_VERSION

if TYPE_CHECKING:
    from journeys.agents.worker.ports.worker_ports import Worker
    from journeys.schemas.codec import Codec
    from journeys.streams.rule.policy import Policy

log = logging.getLogger("journeys.punctuator")
Append: TypeAlias = Callable[[int, bytes], Awaitable[asyncio.Future[Any]]]
"""Appends a value to a partition of the input topic; gives a future of the acknowledgement."""
# A partition that holds journeys gets a punctuation at least this often: old ones are deleted on quiet days, too, and a
# clock that has gone wrong is found out. By the monotonic clock, as the other one may be the wrong one.
_AT_LEAST_EVERY_SECONDS = 60.0


class Punctuator:
    """Appends a punctuation to each partition of a worker when a deadline is due, and at least every minute."""

    def __init__(self, worker: Worker, codec: Codec, append: Append, worker_id: str, clock_check: ClockCheck) -> None:
        self._worker = worker
        self._clock_check = clock_check
        self._codec = codec
        self._append = append
        self._worker_id = worker_id
        self._sent: dict[int, Reading] = {}
        self._waiting: dict[int, float] = {}
        """By partition, since when a record has not been acknowledged, by the monotonic clock."""
        self._ran_at = monotonic()
        self._policy_checked: set[int] = set()

    async def punctuate(self) -> None:
        """Punctuate the partitions that need it; called by a Faust timer."""
        await self._punctuate_all()
        self._ran_at = monotonic()

    def stalled(self, seconds: float) -> str | None:
        """Why no time is written, if that has been so for longer than this; else None."""
        now = monotonic()
        if now - self._ran_at > seconds:
            return f"no time was written for {now - self._ran_at:.0f} s: its timer is dead, or waits for an answer"
        number, since = min(self._waiting.items(), key=itemgetter(1), default=(0, now))
        if now - since > seconds:
            seconds = now - since
            return f"a punctuation of partition {number} was not acknowledged for {seconds:.0f} s though Kafka answers"
        return None

    async def _punctuate_all(self) -> None:
        if self._worker.rebalancing:
            return
        partitions = self._worker.input_partitions()
        for number in self._sent.keys() - partitions:
            del self._sent[number]
        for number in partitions:
            processor = self._worker.store.processors.get(number)
            reading = Reading.now()
            if processor is not None and self._is_wanted(processor.partition, reading):
                self._sent[number] = reading
                await self._punctuate(number, reading)

    async def enforce_policy(self, policy: Policy) -> None:
        """Append the policy to each partition in which another one is in force; called by a Faust timer.

        It is checked once a partition, so that a policy that is changed later stays in force.
        """
        if self._worker.rebalancing:
            return
        for number in self._worker.input_partitions():
            processor = self._worker.store.processors.get(number)
            if processor is None or number in self._policy_checked:
                continue
            self._policy_checked.add(number)
            partition = processor.partition
            if partition.policies.get(policy.version, policy) != policy:
                end_now(
                    WorkerExit.SETUP,
                    f"partition {number} knows the policy {policy.version!r} with another content: "
                    "give this one a version of its own",
                )
            if partition.policy != policy:
                log.info("partition %d: bringing policy %s", number, policy.version)
                now = now_ms()
                await self._write(number, PolicyChanged(policy.version, policy.to_json(), now, self._worker_id))

    async def _punctuate(self, number: int, reading: Reading) -> None:
        def compare(acknowledged: asyncio.Future[Any]) -> None:
            if not acknowledged.cancelled() and acknowledged.exception() is None:
                self._clock_check.check(number, reading, acknowledged.result())

        sent = await self._write(number, Punctuation(reading.at, "live", self._worker_id, RULE_VERSION))
        sent.add_done_callback(compare)

    def _is_wanted(self, partition: JourneyPartition, now: Reading) -> bool:
        clock = partition.clock
        if partition.time_source == "simulated" or (clock is None and not partition.rows):
            # An import writes its own punctuations, and a partition without journeys may yet get an import.
            return False
        sent = self._sent.get(partition.number)
        if sent is None or now.since - sent.since >= _AT_LEAST_EVERY_SECONDS:
            return True
        if clock is None or clock < sent.at:
            return False  # the last one was not read yet: a backlog must not fill up with punctuations
        due_at = partition.next_due_at()
        return due_at is not None and due_at <= now.at

    async def _write(self, number: int, record: Punctuation | PolicyChanged) -> asyncio.Future[Any]:
        value = self._codec.encode(record)
        sent = await self._append(number, value)
        self._waiting.setdefault(number, monotonic())
        sent.add_done_callback(lambda sent: self._acknowledged(number, sent))
        return sent

    def _acknowledged(self, number: int, sent: asyncio.Future[Any]) -> None:
        self._waiting.pop(number, None)
        _require_right(sent)


def _require_right(sent: asyncio.Future[Any]) -> None:
    """End the process if it may not write any more: time would stop without a report while touchpoints go on.

    After any other error the next run sends a punctuation again if it is still needed.
    """
    error = None if sent.cancelled() else sent.exception()
    if isinstance(error, TopicAuthorizationFailedError):
        end_now(WorkerExit.FAILED, f"no right to Write topic {error.args[0]} any more")
