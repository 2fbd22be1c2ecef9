"""Says in words why a journey ended, or when it will, with the numbers. Text of others in it is not escaped yet."""

from __future__ import annotations

from typing import Final

from journeys.analytics.journey_trace import Deadline, Step, Trace
from journeys.schemas.instants import DAY_MS, HOUR_MS, SECOND_MS, format_instant
from journeys.schemas.money import format_dollars
from journeys.schemas.records import JourneyAbandoned

_MINUTE_MS: Final = 60_000
_UNITS: Final = ((DAY_MS, "day"), (HOUR_MS, "hour"), (_MINUTE_MS, "minute"), (SECOND_MS, "second"))


def instant_text(at: int | None) -> str:
    """An instant for people: `2026-01-31 12:00:00 UTC`."""
    return "-" if at is None else format_instant(at)[:19].replace("T", " ") + " UTC"


def duration_text(milliseconds: int) -> str:
    """A duration in its two greatest units: `3 days 4 hours`."""
    sign, left = ("-", -milliseconds) if milliseconds < 0 else ("", milliseconds)
    parts = []
    for unit_ms, name in _UNITS:
        count, left = divmod(left, unit_ms)
        if count:
            parts.append(f"{count:,} {name}{'' if count == 1 else 's'}")
        if len(parts) == 2:
            break
    return sign + (" ".join(parts) or f"{left} ms")


def rule_text(deadline: Deadline) -> str:
    """Which rule gave a deadline: `inactivity of 3 days, the policy's own`."""
    name = "timeout" if deadline.reason == "TIMEOUT" else "inactivity"
    if deadline.rule is not None:
        by = f"by the rule {deadline.rule}"
    else:
        by = "set for this journey" if deadline.is_own else "the policy's own"
    return f"{name} of {duration_text(deadline.lasts_ms)}, {by}"


def why_ended(one: JourneyAbandoned, before: Deadline | None) -> str:
    """One sentence: why an episode was abandoned. `before`: the deadline as it stood."""
    at = instant_text(one.abandoned_at)
    if one.abandonment_reason == "INACTIVITY":
        last = instant_text(one.last_touchpoint_at) if one.last_touchpoint_at is not None else "its start"
        rule = "" if before is None else f" ({rule_text(before)})"
        return f"Abandoned at {at}: nothing had come since {last}{rule}."
    if one.abandonment_reason == "TIMEOUT":
        rule = "" if before is None else f" ({rule_text(before)})"
        return f"Abandoned at {at}: it had begun at {instant_text(one.started_at)} and not converted in time{rule}."
    causes = {
        "COMPETITOR_CONVERSION": "a signal said that a competitor had made the sale",
        "BUDGET_EXHAUSTED": "its budget was spent",
        "USER_FATIGUE": "it had too many touchpoints in too short a time",
        "MANUAL_TERMINATION": "it was ended by hand",
    }
    return f"Abandoned at {at}: {causes[one.abandonment_reason]}."


def penalty_text(one: JourneyAbandoned) -> str:
    """How a penalty comes about, with the numbers."""
    assumed = [
        name for name, is_so in (("probability", one.probability_assumed), ("value", one.value_assumed)) if is_so
    ]
    note = f" (the policy's default for {' and '.join(assumed)}: no touchpoint said)" if assumed else ""
    return (
        f"{one.touchpoint_count:,} touchpoints cost ${format_dollars(one.total_cost_micros)}; state {one.state}, "
        f"{one.days_active:,} days: penalty ${format_dollars(one.penalty_amount_micros)}, plus "
        f"${format_dollars(one.opportunity_cost_micros)} for the lost chance of {one.conversion_probability:.1%} of "
        f"${format_dollars(one.conversion_value_micros)}{note}: ${format_dollars(one.total_penalty_micros)}."
    )


def stands(trace: Trace) -> str:
    """One sentence: how a journey stands at the end of the log."""
    if (step := trace.open) is not None:
        assert step.deadline is not None
        text = (
            f"Open: it will be abandoned at {instant_text(step.deadline.at)} unless more comes "
            f"({rule_text(step.deadline)})."
        )
        return f"Abandoned {len(trace.abandonments):,} times before. {text}" if trace.abandonments else text
    ends = [step for step in trace.steps if step.abandonments or any(s.kind == "converted" for s in step.lifecycle)]
    if not ends:
        return "Nothing of it was applied: no episode was opened."
    last = ends[-1]
    converted = [one for one in last.lifecycle if one.kind == "converted"]
    if converted:
        value = converted[-1].conversion_value_micros
        said = "without a value" if value is None else f"for ${format_dollars(value)}"
        return f"Converted at {instant_text(converted[-1].occurred_at)}, {said}."
    return why_ended(last.abandonments[-1], deadline_before(trace.steps, last))


def deadline_before(steps: list[Step], end: Step) -> Deadline | None:
    """The deadline as it stood before a step."""
    place = next(number for number, step in enumerate(steps) if step is end)
    return steps[place - 1].deadline if place else None
