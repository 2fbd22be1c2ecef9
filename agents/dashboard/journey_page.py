"""What the view of one journey shows: its history under the policy in force, and under others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from journeys.agents.history.policy_sweep import durations_of, swept
from journeys.agents.history.repeats import remembering_most
from journeys.analytics.journey_trace import JourneyLog, Step, Trace, trace
from journeys.analytics.journey_words import (
    deadline_before,
    instant_text,
    penalty_text,
    rule_text,
    stands,
    why_ended,
)
from journeys.analytics.timeline import Timeline, span, timeline
from journeys.schemas.records import Touchpoint
from journeys.streams.rule.policy import InvalidPolicyError, Policy

LEAST_HOURS: Final = 1
MOST_HOURS: Final = 24 * 60
_HOURS: Final = "24,72,168"
_NUMBER: Final = re.compile(r"\d{1,6}(\.\d{1,6})?", re.ASCII)
MOST_STEPS: Final = 500
"""Of longer journeys the last steps are in the table."""


class Alternative(NamedTuple):
    """A policy, what it makes of the journey, and its time axis."""

    name: str
    trace: Trace
    timeline: Timeline
    why: str
    is_edited: bool


class JourneyPage(NamedTuple):
    """The view of one journey. Money in micros."""

    journey_id: str
    user_id: str | None
    present: Alternative
    others: list[Alternative]
    rows: list[dict[str, Any]]
    left_out: int
    """Steps before those in the table."""
    penalties: list[str]


def journey_page(
    log: JourneyLog, policies: Sequence[Policy], hours: str | None = None, days: str | None = None
) -> JourneyPage:
    """Replay a journey under the log's policy, under each of `policies`, and under one that is edited.

    `hours` (inactivity) and `days` (timeout) replace those of the policy in force. Raises InvalidPolicyError.
    """
    present = trace(log)
    base = _in_force(log, present)
    asked: list[tuple[str, Policy, bool]] = []
    if hours or days:
        (edited,) = swept([base], _duration(hours, "inactivity, hours"), _duration(days, "timeout, days"))
        asked.append(("as edited", edited, True))
    asked += [(policy.version, policy, False) for policy in policies]
    in_force = base.deadlines.inactivity_hours
    asked += [
        (f"inactivity {one} hours", swept([base], [one], ())[0], False)
        for one in durations_of(_HOURS)
        if one != in_force
    ]
    traces = [(name, trace(log, _fit(log, policy)), is_edited) for name, policy, is_edited in asked]
    first_at, last_at = span([present, *(one for _, one, _ in traces)])
    steps = present.steps[-MOST_STEPS:]
    user = next((getattr(entry.record, "user_id", None) for entry in log.entries if entry.key is not None), None)
    return JourneyPage(
        log.journey_id,
        user,
        Alternative("in force", present, timeline(present, first_at, last_at), stands(present), False),
        [Alternative(name, one, timeline(one, first_at, last_at), stands(one), edited) for name, one, edited in traces],
        [_row(one, present.steps) for one in steps],
        len(present.steps) - len(steps),
        [f"{instant_text(one.abandoned_at)}: {penalty_text(one)}" for one in present.abandonments],
    )


def _duration(text: str | None, name: str) -> list[Decimal]:
    if not text:
        return []
    if not _NUMBER.fullmatch(text):
        raise InvalidPolicyError(f"{name}: {text[:40]!r} is no duration; expected a number such as 72 or 0.5")
    return durations_of(text)


def _in_force(log: JourneyLog, present: Trace) -> Policy:
    return log.policy or present.policy


def _fit(log: JourneyLog, policy: Policy) -> Policy:
    """In files without punctuations every id is remembered, under whatever policy."""
    return remembering_most(policy) if log.grace_ms == 0 else policy


def _row(step: Step, steps: list[Step]) -> dict[str, Any]:
    record = step.record
    touchpoint = record if isinstance(record, Touchpoint) else None
    said = [why_ended(one, deadline_before(steps, step)) for one in step.abandonments]
    said += [f"refused: {one.refusal}" if one.refusal else one.kind.replace("_", " ") for one in step.lifecycle]
    if not said:
        said = [step.became] if step.became != "applied" else []
    what = "a deadline passed" if record is None else type(record).__name__
    if touchpoint is not None:
        what = " ".join(part for part in (touchpoint.channel, touchpoint.event_type) if part) or "touchpoint"
    return {
        "at": step.at,
        "what": what,
        "cost_micros": None if touchpoint is None else touchpoint.cost_micros,
        "said": said,
        "state": step.state,
        "segment": step.segment,
        "spend_micros": step.spend_micros,
        "deadline_at": None if step.deadline is None else step.deadline.at,
        "rule": None if step.deadline is None else rule_text(step.deadline),
    }
