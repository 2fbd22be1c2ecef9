"""The rule's answer to a record of a caller, out of the record's effects."""

from __future__ import annotations

from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import JourneyAbandoned, JourneyCommand, JourneyLifecycle
from journeys.streams.partition.effects import Effects


def require_accepted(effects: Effects) -> None:
    """Raise InvalidRecordError for a record that the rule made a dead letter, such as one with a time in the future."""
    for letter in effects.dead_letters:
        raise InvalidRecordError.of_reason(letter.reason)


def answer_of(command: JourneyCommand, effects: Effects) -> JourneyAbandoned | JourneyLifecycle | None:
    """The abandonment, `extended` or `refused`; None for a command_id that was applied before.

    Raises InvalidRecordError.
    """
    require_accepted(effects)
    outputs: list[JourneyAbandoned | JourneyLifecycle] = [*effects.abandonments, *effects.lifecycle]
    return next((output for output in outputs if output.command_id == command.command_id), None)
