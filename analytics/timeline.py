"""Where the marks of a journey's time axis lie, in percent of its width; a page draws them as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from journeys.analytics.journey_trace import Step, Trace

MOST_STEPS: Final = 40
"""Of longer journeys the deadlines of the last steps are drawn; a table holds all."""
_LANE_PX: Final = 6
_TOP_PX: Final = 34
_WIDTH: Final = 96.0  # percent; what remains are margins

Outcome: TypeAlias = Literal["abandoned", "converted", "open"]


class Mark(NamedTuple):
    """A touchpoint or an end, `x` in percent. `kind` is a CSS class."""

    x: float
    kind: str
    at: int
    text: str


class Lane(NamedTuple):
    """A stretch from x1 to x2 (percent) at a height of y (pixels). `kind` is a CSS class."""

    x1: float
    x2: float
    y: int
    kind: str


class Timeline(NamedTuple):
    """Marks on the axis, the deadline after each step below it, episodes. Instants are epoch milliseconds."""

    marks: list[Mark]
    deadlines: list[Lane]
    episodes: list[Lane]
    first_at: int
    last_at: int
    height: int
    now: float | None
    """Place of the log's clock."""
    is_cut: bool
    """Whether deadlines of earlier steps were left out."""


class Episode(NamedTuple):
    """One episode under a policy (ms)."""

    started_at: int
    ended_at: int
    outcome: Outcome


def episodes(trace: Trace) -> list[Episode]:
    """Episodes in their order; an open one ends at the clock."""
    found = [Episode(one.started_at, one.abandoned_at, "abandoned") for one in trace.abandonments]
    found += [Episode(one.started_at or one.occurred_at, one.occurred_at, "converted") for one in trace.conversions]
    if trace.open is not None:
        since = max((one.ended_at for one in found), default=None)
        started = [one.occurred_at for s in trace.steps for one in s.lifecycle if one.kind in ("started", "returned")]
        begin = started[-1] if started else trace.open.at
        found.append(Episode(begin, max(trace.clock or 0, trace.open.at, begin, since or 0), "open"))
    return sorted(found)


def span(traces: Sequence[Trace]) -> tuple[int, int]:
    """First and last instant that timelines of these have to show (ms)."""
    instants = [one.at for trace in traces for one in trace.steps]
    instants += [at for trace in traces for one in episodes(trace) for at in one[:2]]
    instants += [trace.open.deadline.at for trace in traces if trace.open is not None and trace.open.deadline]
    instants += [step.deadline.at for trace in traces for step in trace.steps[-1:] if step.deadline]
    return (min(instants), max(instants)) if instants else (0, 1)


def timeline(trace: Trace, first_at: int, last_at: int) -> Timeline:
    """Lay a trace out between two instants."""

    def place(at: int) -> float:
        share = (at - first_at) / max(1, last_at - first_at)
        return round(2 + _WIDTH * min(1.0, max(0.0, share)), 3)

    marks = [Mark(place(step.at), _kind(step), step.at, _said(step)) for step in trace.steps]
    shown = trace.steps[-MOST_STEPS:]
    deadlines = [
        Lane(place(step.at), place(step.deadline.at), _TOP_PX + 14 + _LANE_PX * number, step.deadline.reason.lower())
        for number, step in enumerate(shown)
        if step.deadline is not None
    ]
    lanes = [Lane(place(one.started_at), place(one.ended_at), _TOP_PX, one.outcome) for one in episodes(trace)]
    height = _TOP_PX + 24 + _LANE_PX * len(shown)
    now = None if trace.clock is None or not first_at <= trace.clock <= last_at else place(trace.clock)
    return Timeline(marks, deadlines, lanes, first_at, last_at, height, now, len(trace.steps) > MOST_STEPS)


def _kind(step: Step) -> str:
    if step.abandonments and step.record is None:
        return "abandoned"
    if any(one.kind == "converted" for one in step.lifecycle):
        return "converted"
    if any(one.kind == "returned" for one in step.lifecycle):
        return "returned"
    return step.became


def _said(step: Step) -> str:
    return ", ".join(
        [*(f"abandoned: {one.abandonment_reason}" for one in step.abandonments), *(one.kind for one in step.lifecycle)]
    )
