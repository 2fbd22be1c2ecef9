"""The answer to a command on a journey: a sentence and an exit code."""

from __future__ import annotations

from dataclasses import dataclass

from journeys.agents.settings.operation_error import OperationError
from journeys.cli.command_line import CHECK_FAILED, FINE
from journeys.schemas.instants import format_instant
from journeys.schemas.money import format_dollars
from journeys.schemas.records import JourneyAbandoned, JourneyLifecycle


class NoInstantError(OperationError):
    """The log keeps simulated time, and the command has no --at."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} keeps simulated time: give the instant of the command, such as --at 2026-01-31T12:00:00Z "
            "(journeys show prints the journey's clock)"
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """A sentence, the exit code that goes with it, and the record that the command led to, if there is one."""

    text: str
    exit_code: int
    record: JourneyAbandoned | JourneyLifecycle | None = None


def answer_of(record: JourneyAbandoned | JourneyLifecycle) -> Answer:
    """The answer that an output record is to the command that led to it."""
    if isinstance(record, JourneyAbandoned):
        return Answer(
            f"abandoned at {format_instant(record.abandoned_at)}: {record.abandonment_reason}, "
            f"penalty {format_dollars(record.total_penalty_micros)} dollars, "
            f"abandonment_id {record.abandonment_id}",
            FINE,
            record,
        )
    if record.kind == "refused":
        return Answer(f"refused: {record.refusal}", CHECK_FAILED, record)
    deadline = record.timeout_deadline_at
    return Answer(f"{record.kind}" + ("" if deadline is None else f" to {format_instant(deadline)}"), FINE, record)
