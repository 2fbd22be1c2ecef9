"""The punctuator: writes time into the input topic, so that it reaches the rule as a record.

It is the only place where a worker reads a clock for the rule. It decides nothing: the agent that reads
the partition fires what is due.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import time
from typing import TYPE_CHECKING, Any, TypeAlias

from aiokafka.errors import TopicAuthorizationFailedError

from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now
from journeys.schemas.records import PolicyChanged, Punctuation
from journeys.streams.partition.protocols import JourneyPartition

if TYPE_CHECKING:
    from journeys.agents.worker.ports.worker_ports import Worker
    from journeys.schemas.codec import Codec
    from journeys.streams.rule.policy import Policy

log = logging.getLogger("journeys.punctuator")
Append: TypeAlias = Callable[[int, bytes], Awaitable[asyncio.Future[Any]]]
"""Appends a value to a partition of the input topic; gives a future of Kafka's answer."""
# A clock moves at least this often while records come, so that old journeys are forgotten on quiet days too.
_AT_LEAST_EVERY_MS = 60_000


class Punctuator:
    """Punctuates the partitions of one worker when a deadline has come, and at least every minute."""

    def __init__(self, worker: Worker, codec: Codec, append: Append, worker_id: str) -> None:
        self._worker = worker
        self._codec = codec
        self._append = append
        self._worker_id = worker_id
        self._sent: dict[int, int] = {}
        self._brought: set[int] = set()

    async def punctuate(self) -> None:
        """Look at every partition once; a Faust timer calls this."""
        if self._worker.rebalancing:
            return
        now = int(time() * 1000)
        for number in self._worker.input_partitions():
            processor = self._worker.store.processors.get(number)
            if processor is not None and self._is_wanted(processor.partition, now):
                self._sent[number] = now
                await self._write(number, Punctuation(now, "live", self._worker_id))

    async def bring_policy(self, policy: Policy) -> None:
        """Append the policy, once for each partition that this worker gets, where another one is in force.

        Once: what a person puts in force later stays in force. A Faust timer calls this.
        """
        if self._worker.rebalancing:
            return
        for number in self._worker.input_partitions():
            processor = self._worker.store.processors.get(number)
            if processor is None or number in self._brought:
                continue
            self._brought.add(number)
            partition = processor.partition
            if partition.policies.get(policy.version, policy) != policy:
                end_now(
                    WorkerExit.SETUP,
                    f"partition {number} knows the policy {policy.version!r} with another content: "
                    "give this one a version of its own",
                )
            if partition.policy != policy:
                log.info("partition %d: bringing policy %s", number, policy.version)
                now = int(time() * 1000)
                await self._write(number, PolicyChanged(policy.version, policy.to_json(), now, self._worker_id))

    def _is_wanted(self, partition: JourneyPartition, now: int) -> bool:
        clock = partition.clock
        if partition.time_source == "simulated" or (clock is None and not partition.rows):
            # Somebody else keeps the time of an import; and a partition without journeys may yet become one.
            return False
        sent_at = self._sent.get(partition.number)
        if sent_at is not None and (clock is None or clock < sent_at) and now - sent_at < _AT_LEAST_EVERY_MS:
            return False  # the last one is still unread: a backlog must not fill up with punctuations
        if clock is None or now - clock >= _AT_LEAST_EVERY_MS:
            return True
        due_at = partition.next_due_at()
        return due_at is not None and due_at <= now

    async def _write(self, number: int, record: Punctuation | PolicyChanged) -> None:
        value = self._codec.encode(record)
        sent = await self._append(number, value)
        sent.add_done_callback(_require_right)


def _require_right(sent: asyncio.Future[Any]) -> None:
    """End the process if it may not write any more; what else went wrong is sent again when it is still wanted.

    Otherwise time would stand still while touchpoints went on, and nobody would hear of it.
    """
    error = None if sent.cancelled() else sent.exception()
    if isinstance(error, TopicAuthorizationFailedError):
        end_now(WorkerExit.FAILED, f"no right to Write topic {error.args[0]} any more")
