"""A person's command on a journey: appended to the input topic, and its answer awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import typer

from agents.cli.command_line import CHECK_FAILED, FINE
from agents.cli.output_tail import ends_of, output_tail
from agents.operation_error import OperationError
from agents.record_producer import RecordProducer
from agents.schema_registry import own_catalog
from agents.settings import Settings
from agents.topic_time import topic_time
from schemas.codec import Codec
from schemas.instants import format_instant
from schemas.lines import parse_line
from schemas.money import format_dollars
from schemas.records import DeadLetter, JourneyAbandoned, JourneyCommand, JourneyLifecycle
from schemas.topics import DEAD_LETTERS, JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE

_ANSWERS: Final = (JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE, DEAD_LETTERS)


class NoInstantError(OperationError):
    """Now is no instant of a topic whose time is simulated."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command: a sentence, and the exit code that goes with it."""

    text: str
    exit_code: int


async def ask(settings: Settings, said: Mapping[str, Any], at: int | None, wait_seconds: float | None) -> Answer | None:
    """Append a command and wait for its answer; None without a wait.

    `said` is a command in the line format without `occurred_at`, which is `at` (ms; default: now).
    Raises InvalidRecordError for a command that is not allowed, NoInstantError on a topic of simulated time
    without `at`, and as RecordProducer.
    """
    now = time.time_ns() // 1_000_000 if at is None else at
    command = parse_line({"kind": "command", **said, "occurred_at": now})
    assert isinstance(command, JourneyCommand)
    codec = Codec(await own_catalog(settings))
    if at is None and (await topic_time(settings, codec)).time_source == "simulated":
        raise NoInstantError(
            "this topic keeps simulated time: say when the command occurs, such as --at 2026-01-31T12:00:00Z "
            "(journeys show tells the journey's clock)"
        )
    # Taken before the command goes out, so that no answer can slip by.
    ends = None if wait_seconds is None else await ends_of(settings, _ANSWERS)
    async with RecordProducer(settings, codec) as producer:
        await producer.send(command)
    typer.echo(f"command {command.command_id}")
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
            elif getattr(record, "command_id", None) == command.command_id:
                return _told(record)
    raise AssertionError("a tail has no end")


def _told(record: JourneyAbandoned | JourneyLifecycle) -> Answer:
    if isinstance(record, JourneyAbandoned):
        return Answer(
            f"abandoned at {format_instant(record.abandoned_at)}: {record.abandonment_reason}, "
            f"penalty {format_dollars(record.total_penalty_micros)} dollars, "
            f"abandonment_id {record.abandonment_id}",
            FINE,
        )
    if record.kind == "refused":
        return Answer(f"refused: {record.refusal}", CHECK_FAILED)
    deadline = record.timeout_deadline_at
    return Answer(f"{record.kind}" + ("" if deadline is None else f" to {format_instant(deadline)}"), FINE)
