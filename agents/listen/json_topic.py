"""A topic of JSON that somebody else writes: its records onto the input topic, once for each id.

A place is committed once Kafka has acknowledged all in front of it, or has it among the refused; so a kill repeats
some, which the known ids recognise.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

from journeys.agents.kafka.connection import admin, consumer, producer
from journeys.agents.listen.door import Mapped
from journeys.agents.listen.intake import Intake, NotTakenError
from journeys.agents.listen.known_ids import KnownIds
from journeys.agents.listen.listener import ListenerFailedError, open_intake
from journeys.agents.listen.request_body import Line, RefusedRequestError, json_document
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.schemas.invalid import InvalidRecordError

_POLL_MS: Final = 500
_BATCH_RECORDS: Final = 2_000


class NoJsonTopicError(OperationError):
    """The topic, or that of its refused records, is not there."""


async def follow_topic(
    settings: Settings, topic: str, known: KnownIds, mapped: Mapped | None, tell: Callable[[str], None]
) -> None:
    """Take the records of `topic` (its name in Kafka) until SIGTERM or SIGINT. `tell` gets a line for what happens.

    What is refused goes to `topic`.refused, unchanged, with its origin and the reason in headers.
    Raises OperationError for what a restart does not help, ListenerFailedError for what it does.
    """
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await _require_topics(settings, topic)
    async with AsyncExitStack() as connections:
        intake = await open_intake(settings, known, connections, tell)
        refused = await connections.enter_async_context(producer(settings))
        group = f"{settings.group}-json-{topic}"
        client = await connections.enter_async_context(
            consumer(settings, group_id=group, auto_offset_reset="earliest", max_poll_records=_BATCH_RECORDS)
        )
        client.subscribe([topic])
        tell(f"ready: reads {topic} as group {group}")
        taking = _JsonTopic(topic, intake, refused, mapped)
        while not stopped.is_set():
            for partition, records in (await client.getmany(timeout_ms=_POLL_MS)).items():
                if records:
                    await taking.take(records)
                    await client.commit({partition: records[-1].offset + 1})
    tell(f"stopped: {taking.accepted:,} records taken, {taking.left_out:,} left out, {taking.refused:,} refused")


class _JsonTopic:
    """Takes the records of a topic. `accepted` and `left_out` (by the mapping) are lines, `refused` are records."""

    def __init__(self, topic: str, intake: Intake, refused: Any, mapped: Mapped | None) -> None:
        self.accepted = self.left_out = self.refused = 0
        self._refused_topic = _refused_name(topic)
        self._intake = intake
        self._producer = refused
        self._mapped = mapped

    async def take(self, records: Sequence[Any]) -> None:
        """Take aiokafka's records of one partition. Raises ListenerFailedError."""
        lines, origins = _lines_of(records)
        try:
            outcomes = await self._intake.take(lines if self._mapped is None else await self._mapped(lines))
        except NotTakenError as error:
            raise ListenerFailedError(str(error)) from error
        reasons: dict[int, list[str]] = {}
        for outcome in outcomes:
            self.accepted += outcome.status == "accepted"
            self.left_out += outcome.status == "left_out"
            if outcome.error is not None:
                reasons.setdefault(origins[outcome.line - 1], []).append(str(outcome.error))
        for place, why in sorted(reasons.items()):
            self.refused += 1
            await self._refuse(records[place], "; ".join(why))

    async def _refuse(self, record: Any, reason: str) -> None:
        origin = {"topic": record.topic, "partition": record.partition, "offset": record.offset, "reason": reason}
        headers = [*record.headers, *((name, str(value).encode()) for name, value in origin.items())]
        await self._producer.send_and_wait(self._refused_topic, record.value, record.key, headers=headers)


def _lines_of(records: Sequence[Any]) -> tuple[list[Line], list[int]]:
    """Lines of records, each an object or a list of objects, and of each line the place of its record."""
    lines: list[Line] = []
    origins: list[int] = []
    for place, record in enumerate(records):
        try:
            found = json_document(record.value or b"")
        except RefusedRequestError as error:
            found = [Line(1, None, InvalidRecordError.of_reason(f"value: {error.why}"))]
        for line in found:
            lines.append(line._replace(number=len(lines) + 1))
            origins.append(place)
    return lines, origins


def _refused_name(topic: str) -> str:
    return f"{topic}.refused"


async def _require_topics(settings: Settings, topic: str) -> None:
    """Raise NoJsonTopicError unless both topics are there."""
    async with admin(settings) as client:
        there = await client.list_topics()
    for name in (topic, _refused_name(topic)):
        if name not in there:
            raise NoJsonTopicError(
                f"there is no topic {name}: create {topic}, and {_refused_name(topic)} for records that can't be taken"
            )
