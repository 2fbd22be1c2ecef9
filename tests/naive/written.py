"""Lines written by hand, and what a log of them gives in short.

Days are counted from T0.
"""

from __future__ import annotations

from .line import DAY
from .replay import run

T0 = 1_760_000_000_000


def at(days, ms=0):
    """An instant some days, and some milliseconds, after T0."""
    return T0 + int(days * DAY) + ms


def touch(days, ms=0, journey="j", name=None, **more):
    """A touchpoint; its id is its instant unless it is named."""
    occurred_at = at(days, ms)
    return {
        "journey_id": journey,
        "occurred_at": occurred_at,
        "touchpoint_id": name or f"t{occurred_at}",
        "cost": 1,
        **more,
    }


def order(kind, name, day, ms=0, journey="j", **more):
    """A signal or a command of some name."""
    return {"kind": kind, kind: name, "journey_id": journey, "occurred_at": at(day, ms), **more}


def register(days, ms=0, journey="j", **overrides):
    """A registration."""
    return {"kind": "registration", "journey_id": journey, "occurred_at": at(days, ms), **overrides}


def tick(days, ms=0):
    """A punctuation."""
    return {"kind": "punctuation", "at": at(days, ms)}


def ends(result):
    """Of each abandonment its reason and abandoned_at in milliseconds after T0."""
    return [(a["abandonment_reason"], a["abandoned_at"] - T0) for a in result.abandonments]


def said(result):
    """Of each lifecycle entry its kind and offset."""
    return [(entry["kind"], entry["offset"]) for entry in result.lifecycle]


def run_out(lines, **more):
    """Run lines; without time of their own until 91 days after the last one, when nothing is open any more."""
    if not any(line.get("kind") == "punctuation" for line in lines):
        more = {"until": max((line["occurred_at"] for line in lines), default=0) + 91 * DAY} | more
    return run(lines, **more)
