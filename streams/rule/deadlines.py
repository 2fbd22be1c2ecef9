"""When an episode is over: the durations of a policy, and its rules that give others to some journeys."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BeforeValidator, Field, model_validator

from journeys.schemas.instants import DAY_MS, HOUR_MS
from journeys.schemas.records import CONVERTED, STATES
from journeys.schemas.validation import LONGEST_SEGMENT
from journeys.streams.rule.policy_parts import Days, Hours, NotNegative, Part

MOST_RULES: Final = 100
# Longer lists belong into the producer's own naming of segments.
_MOST_SEGMENTS: Final = 100
_LARGEST_COUNT: Final = 2**53

_Count = Annotated[int, Field(ge=0, le=_LARGEST_COUNT, strict=True)]
_Segment = Annotated[str, Field(min_length=1, max_length=LONGEST_SEGMENT)]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class DeadlineRule(Part):
    """Durations of the journeys for which all its conditions hold, in place of the policy's own."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    inactivity_hours: Hours | None = None
    timeout_days: Days | None = None
    state: Annotated[tuple[str, ...], BeforeValidator(_as_list), Field(min_length=1)] | None = None
    segment: (
        Annotated[tuple[_Segment, ...], BeforeValidator(_as_list), Field(min_length=1, max_length=_MOST_SEGMENTS)]
        | None
    ) = None
    # Inclusive, of the touchpoints applied to the journey in all its episodes.
    touchpoints_from: _Count | None = None
    touchpoints_to: _Count | None = None

    @model_validator(mode="after")
    def _can_hold_and_says_something(self) -> DeadlineRule:
        where = f"deadlines.by {self.name!r}"
        if self.inactivity_hours is None and self.timeout_days is None:
            raise ValueError(f"{where}: neither inactivity_hours nor timeout_days; expected at least one of them")
        for state in self.state or ():
            if state == CONVERTED:
                raise ValueError(f"{where}: state: 'CONVERTED' ends an episode, so no deadline depends on it")
            if state not in STATES:
                expected = ", ".join(name for name in STATES if name != CONVERTED)
                raise ValueError(f"{where}: state: {state[:80]!r}, expected one of {expected}")
        least, most = self.touchpoints_from, self.touchpoints_to
        if least is not None and most is not None and least > most:
            raise ValueError(f"{where}: touchpoints_from: {least} is above touchpoints_to, {most}: it can never hold")
        for key, milliseconds in (("inactivity_hours", self.inactivity_ms), ("timeout_days", self.timeout_ms)):
            if milliseconds is not None and milliseconds < 1:
                raise ValueError(f"{where}: {key}: {getattr(self, key)} is less than a millisecond")
        return self

    @cached_property
    def inactivity_ms(self) -> int | None:
        """Inactivity threshold, if the rule gives one."""
        return None if self.inactivity_hours is None else int(self.inactivity_hours * HOUR_MS)

    @cached_property
    def timeout_ms(self) -> int | None:
        """Timeout, if the rule gives one."""
        return None if self.timeout_days is None else int(self.timeout_days * DAY_MS)

    @cached_property
    def conditions(self) -> Conditions:
        """What must hold."""
        return Conditions(
            None if self.state is None else frozenset(self.state),
            None if self.segment is None else frozenset(self.segment),
            self.touchpoints_from or 0,
            self.touchpoints_to,
        )


class Conditions(NamedTuple):
    """Conditions of a rule, all of which must hold; None for any state or segment, or no upper bound."""

    states: frozenset[str] | None
    segments: frozenset[str] | None
    touchpoints_from: int
    touchpoints_to: int | None

    def hold(self, state: str, segment: str | None, touchpoints: int) -> bool:
        """Whether all of them hold for a journey as it is."""
        return (
            self.touchpoints_from <= touchpoints
            and (self.touchpoints_to is None or touchpoints <= self.touchpoints_to)
            and (self.states is None or state in self.states)
            and (self.segments is None or segment in self.segments)
        )


class Deadlines(Part):
    """When an episode is over."""

    timeout_days: Days = Decimal(14)
    inactivity_hours: Hours = Decimal(72)
    max_journey_duration_days: Days = Decimal(90)
    grace_seconds: NotNegative = Decimal(60)
    # For each duration, the first rule that holds and gives it comes before the two above.
    by: Annotated[tuple[DeadlineRule, ...], Field(max_length=MOST_RULES)] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Deadlines:
        names = [rule.name for rule in self.by]
        for name in names:
            if (times := names.count(name)) > 1:
                raise ValueError(f"deadlines.by: the name {name[:80]!r} is given {times} times; expected once")
        return self

    @property
    def ask_for_segments(self) -> bool:
        """Whether a rule asks for the segment."""
        return any(rule.segment is not None for rule in self.by)

    def rule_for_inactivity(self, state: str, segment: str | None, touchpoints: int) -> DeadlineRule | None:
        """First rule that holds and gives an inactivity threshold."""
        for rule in self.by:
            if rule.inactivity_ms is not None and rule.conditions.hold(state, segment, touchpoints):
                return rule
        return None

    def rule_for_timeout(self, state: str, segment: str | None, touchpoints: int) -> DeadlineRule | None:
        """First rule that holds and gives a timeout."""
        for rule in self.by:
            if rule.timeout_ms is not None and rule.conditions.hold(state, segment, touchpoints):
                return rule
        return None
