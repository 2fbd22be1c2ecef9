"""A command on a journey: appended to the input topic, and the worker's answer awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from journeys.agents.inspect.audit import audit_of, is_audit
from journeys.agents.inspect.audit_trail import leave_audit
from journeys.agents.kafka.record_producer import RecordProducer
from journeys.agents.kafka.schema_registry import own_catalog
from journeys.agents.kafka.topic_time import topic_time
from journeys.agents.settings.settings import Settings
from journeys.cli.answer import Answer, NoInstantError, answer_of
from journeys.cli.command_line import CHECK_FAILED
from journeys.cli.output import print_line
from journeys.cli.output_tail import ends_of, output_tail
from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.schemas.lines import parse_line
from journeys.schemas.records import DeadLetter, JourneyCommand, JourneyLifecycle
from journeys.schemas.topics import DEAD_LETTERS, JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE

_ANSWERS: Final = (JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE, DEAD_LETTERS)


async def request(
    settings: Settings, fields: Mapping[str, Any], at: int | None, wait_seconds: float | None, *, print_id: bool
) -> Answer | None:
    """Append a command, print its id if `print_id`, and wait for its answer; None without a wait.

    `fields` are a command in the line format without `occurred_at`, which is `at` (ms; default: now).
    Raises InvalidRecordError for a command that is not allowed, NoInstantError on a topic of simulated time
    without `at`, and as RecordProducer.
    """
    now = now_ms() if at is None else at
    command = parse_line({"kind": "command", **fields, "occurred_at": now})
    assert isinstance(command, JourneyCommand)
    codec = Codec(await own_catalog(settings))
    if at is None and (await topic_time(settings, codec)).time_source == "simulated":
        raise NoInstantError("this topic")
    # Read before the command is sent, so that no answer is missed.
    ends = None if wait_seconds is None else await ends_of(settings, _ANSWERS)
    async with RecordProducer(settings, codec) as producer:
        await producer.send(command)
    if print_id:
        print_line(f"command {command.command_id}")
    await leave_audit(settings, audit_of(command))
    if ends is None:
        return None
    try:
        async with asyncio.timeout(wait_seconds):
            return await _answer(settings, command, ends)
    except TimeoutError:
        return Answer(f"no answer within {wait_seconds:g} s: is a worker running?", CHECK_FAILED)


async def _answer(settings: Settings, command: JourneyCommand, ends: dict[tuple[str, int], int]) -> Answer:
    assert command.command_id is not None
    async for batch in output_tail(settings, _ANSWERS, ends):
        for record in batch:
            if isinstance(record, DeadLetter):
                if command.command_id.encode() in (record.record_value or b""):
                    return Answer(f"not taken, a dead letter now: {record.reason}", CHECK_FAILED)
            elif isinstance(record, JourneyLifecycle) and is_audit(record.kind):
                continue  # our own, which bears the command's id, too
            elif getattr(record, "command_id", None) == command.command_id:
                return answer_of(record)
    raise AssertionError("a tail has no end")
