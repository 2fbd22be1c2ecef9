"""Random logs that are aimed.

A model runs along while a log is drawn, so that records can be put on, just before and just after
the instants at which something is decided. All chance comes in as `pick`, which takes one of a
sequence: hypothesis picks for `policies`, `logs` and `cases`, a seed for `seeded_case` (many times faster).
"""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

from .draft import Draft, any_record, policy_change, punctuation, time_line
from .line import DAY, Line
from .model import Model
from .passages import PASSAGES, long_silence_allowed
from .policy import Pick, policy_by

Case = tuple[dict[str, Any] | None, list[dict[str, Any]], int | None]  # policy, lines, until


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    """What differs from the default policy: durations in milliseconds, money in micros."""
    return policy_by(_picked_by(draw))


@st.composite
def logs(
    draw: st.DrawFn, policy: dict[str, Any] | None, *, punctuations: bool = False, longest: int = 40
) -> list[dict[str, Any]]:
    """Valid lines of the JSONL format, in log order, for 1 to 5 journeys.

    With `punctuations` at least one line is one; without, none is. `longest` bounds the count of
    steps, of which a few make several lines.
    """
    return _lines(_picked_by(draw), policy, punctuations, longest)


@st.composite
def cases(draw: st.DrawFn, *, punctuations: bool | None = None, longest: int = 40) -> Case:
    """A policy, a log drawn for it, and an `until` or None; `punctuations` None is one or the other.

    Of the logs with punctuations some have a policy of None: those bring their own.
    """
    return _case(_picked_by(draw), punctuations, longest)


def seeded_case(seed: int, *, punctuations: bool | None = None, longest: int = 40) -> Case:
    """The same as `cases`, from a seed."""
    return _case(random.Random(seed).choice, punctuations, longest)


def _picked_by(draw: st.DrawFn) -> Pick:
    return lambda options: draw(st.sampled_from(options))


def _case(pick: Pick, punctuations: bool | None, longest: int) -> Case:
    punctuated = pick([True, False]) if punctuations is None else punctuations
    policy = None if punctuated and pick(range(5)) > 1 else policy_by(pick) | {"version": "given"}
    live = punctuated and pick([True, False, False])
    lines = _lines(pick, policy, punctuated, longest, live=live)
    until = None
    if lines and not live and pick(range(4)) == 0:
        instants = [Line.parse(raw, offset).at for offset, raw in enumerate(lines, start=1)]
        until = pick(instants) + pick([-1, 0, 1, 3 * DAY, 100 * DAY])
    return policy, lines, until


def _lines(
    pick: Pick, policy: dict[str, Any] | None, punctuations: bool, longest: int, *, live: bool = False
) -> list[dict[str, Any]]:
    model = Model(policy if punctuations else {**(policy or {}), "grace_ms": 0}, live=live)
    names = [f"journey-{n}" for n in range(pick([1, 1, 2, 3, 5]))]
    log = Draft(model, names, made=not punctuations, live=live)
    if policy is None:
        log.add(policy_change(pick, log))
    if pick(range(3)) == 0:
        log.seldom_ends = True
        for name in names:
            log.add(long_silence_allowed(pick, log, name))
    for _ in range(pick(range(1, longest + 1))):
        what = pick(range(40))
        if what <= 2:
            pick(PASSAGES)(pick, log, pick(log.names))
        elif punctuations and what <= 12:
            log.add(punctuation(pick, log))
        elif policy is None and what <= 15:
            log.add(policy_change(pick, log))
        else:
            log.add(any_record(pick, log))
    if punctuations and not any(raw.get("kind") == "punctuation" for raw in log.lines):
        log.add(time_line(pick, log, log.now))
    return log.lines
