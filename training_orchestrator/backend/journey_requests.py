"""Makes records of a manager's calls: converts dollars, days and hours. Values are validated where they are appended.

All functions raise InvalidRecordError, with the argument's name, for what can't be converted.
"""

from __future__ import annotations

from decimal import Decimal
from numbers import Real
from typing import Any, Final, NamedTuple
from uuid import uuid4

from journeys.schemas.instants import DAY_MS, HOUR_MS
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.money import dollars_to_micros
from journeys.schemas.records import JourneyCommand, JourneyRegistered
from journeys.schemas.validation import LONGEST_MS

_DURATION: Final = f"a number above zero (at least a millisecond), at most {LONGEST_MS // DAY_MS} days"


class Request(NamedTuple):
    """Fields of all commands: the journey, the time (ms), and for the audit who asks and why."""

    journey_id: str
    at: int
    requested_by: str | None
    note: str | None

    def abandon(self, reason: str) -> JourneyCommand:
        """Command that ends the open episode."""
        return self._command("abandon")._replace(reason=reason)

    def extend(self, days: float) -> JourneyCommand:
        """Command that moves the timeout."""
        return self._command("extend")._replace(extend_by_ms=_milliseconds(days, DAY_MS, "days"))

    def _command(self, command: str) -> JourneyCommand:
        return JourneyCommand(
            self.journey_id,
            self.at,
            command,
            command_id=str(uuid4()),
            requested_by=self.requested_by,
            note=self.note,
        )


def registration(
    journey_id: str,
    user_id: str | None,
    at: int,
    timeout_days: float | None,
    inactivity_hours: float | None,
    budget: Decimal | float | None,
) -> JourneyRegistered:
    """Registration: opens a journey at `at` (ms), or changes its overrides."""
    return JourneyRegistered(
        journey_id,
        user_id,
        at,
        timeout_ms=None if timeout_days is None else _milliseconds(timeout_days, DAY_MS, "timeout_days"),
        inactivity_ms=None
        if inactivity_hours is None
        else _milliseconds(inactivity_hours, HOUR_MS, "inactivity_hours"),
        budget_micros=None if budget is None else dollars_to_micros(budget, "budget"),
    )


def _milliseconds(value: Any, unit_ms: int, field: str) -> int:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    milliseconds: float = value * unit_ms if is_number else 0
    if not 1 <= milliseconds <= LONGEST_MS:
        raise InvalidRecordError(field, value, _DURATION)
    return int(milliseconds)
