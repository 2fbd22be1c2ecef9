"""Facts: what `decide` finds to be so, and `evolve` writes into the row."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from journeys.schemas.records import JourneyCommand, JourneyRegistered, JourneySignal, Touchpoint
from journeys.streams.rule.policy import Policy


class Duplicate(NamedTuple):
    """A record whose id the journey remembers; it moves nothing."""


class Late(NamedTuple):
    """A touchpoint that lies before the end of an earlier episode, or too long ago to be known."""

    touchpoint: Touchpoint


class Refused(NamedTuple):
    """A registration, signal or command that comes late or finds no open episode."""

    record: JourneyRegistered | JourneySignal | JourneyCommand
    why: str


class Started(NamedTuple):
    """An episode begins."""

    record: Touchpoint | JourneyRegistered
    policy: Policy


class Returned(NamedTuple):
    """An episode begins with a touchpoint behind an abandonment, which was premature."""

    touchpoint: Touchpoint
    policy: Policy
    converts_at_once: bool


class TouchpointApplied(NamedTuple):
    """A touchpoint counts in the open episode."""

    touchpoint: Touchpoint
    id_hash: bytes


class OverridesChanged(NamedTuple):
    """A registration changes the overrides of a journey whose episode is open."""

    registration: JourneyRegistered


class Extended(NamedTuple):
    """A command moves the timeout deadline, at most to the cap."""

    command: JourneyCommand


class ExtendedAutomatically(NamedTuple):
    """The policy extends an engaged episode whose timeout came due, perhaps several times at once."""

    due_at: int
    extended_by_ms: int


class Converted(NamedTuple):
    """A CONVERTED touchpoint ends the episode."""

    touchpoint: Touchpoint
    ended_at: int


class Abandoned(NamedTuple):
    """The episode ends without a conversion. Records at or before `late_until` are late from now on.

    `deadline_rule` names the rule that gave the duration that ran out; None for the policy's own, for an override, and
    for an end that a record brought (`cause`).
    """

    reason: str
    ended_at: int
    late_until: int
    cause: Touchpoint | JourneySignal | JourneyCommand | None
    deadline_rule: str | None = None


Fact: TypeAlias = (
    Duplicate
    | Late
    | Refused
    | Started
    | Returned
    | TouchpointApplied
    | OverridesChanged
    | Extended
    | ExtendedAutomatically
    | Converted
    | Abandoned
)
