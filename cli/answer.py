"""What became of a person's command on a journey."""

from __future__ import annotations

from dataclasses import dataclass

from journeys.agents.settings.operation_error import OperationError
from journeys.cli.command_line import CHECK_FAILED, FINE
from journeys.schemas.instants import format_instant
from journeys.schemas.money import format_dollars
from journeys.schemas.records import JourneyAbandoned, JourneyLifecycle


class NoInstantError(OperationError):
    """Now is no instant of a log whose time is simulated."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} keeps simulated time: say when the command occurs, such as --at 2026-01-31T12:00:00Z "
            "(journeys show tells the journey's clock)"
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """A sentence, and the exit code that goes with it."""

    text: str
    exit_code: int


def told(record: JourneyAbandoned | JourneyLifecycle) -> Answer:
    """What an output says to whoever asked for it."""
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
