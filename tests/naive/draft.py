"""A log while it is being drawn, and single lines for it.

Lines are put on, just before and just after the instants at which the model, which reads along,
decides something.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from .journey import Journey
from .line import DAY, HOUR, Line
from .model import Model
from .policy import Pick, policy_by
from .replay import made_punctuation

BASE = 1_760_000_000_000  # an instant of 2025
STATES = ["UNAWARE", "AWARE", "CONSIDERING", "INTENT"]
REASONS = [
    "MANUAL_TERMINATION",
    "COMPETITOR_CONVERSION",
    "BUDGET_EXHAUSTED",
    "USER_FATIGUE",
    "TIMEOUT",
    "INACTIVITY",
]
STEPS = [0, 1, HOUR, 12 * HOUR, 12 * HOUR, DAY, DAY, 2 * DAY, 3 * DAY, 6 * DAY, 14 * DAY, 31 * DAY]
STEPS_BACK = [0, 1, 999, HOUR, 12 * HOUR, DAY, 2 * DAY, 4 * DAY, 15 * DAY, 31 * DAY]
LIFE_STEPS = [0, 1, HOUR, 12 * HOUR, DAY, 2 * DAY, 6 * DAY, 14 * DAY]
ENDINGS = ["abandon"] * 4 + ["competitor_conversion", "competitor_conversion", "budget_exhausted", "fatigue"]
KINDS = ["touchpoint"] * 20 + ["registration"] * 3 + ["extend"] * 4 + ENDINGS
LIFE_KINDS = ["touchpoint"] * 14 + ["registration"] * 3 + ["extend"] * 8 + ["competitor_conversion"]
COSTS = [0, 0, 1, 10, 30, 333_333, 5_000_000, 12_345_678, 25_000_000]
PROBABILITIES = [None, None, None, 0, 0.05, 0.3, 0.5, 0.123456, 1]
VALUES = [None, None, None, 0, 90, 225.5, 12.345678, 0.000001]


@dataclass
class Draft:
    """The lines so far and a model that has read them."""

    model: Model
    names: list[str]
    made: bool
    live: bool = False
    seldom_ends: bool = False  # few ends and much extending, so that the cap is reached
    lines: list[dict[str, Any]] = field(default_factory=list)
    now: int = BASE  # the greatest occurred_at so far

    def add(self, raw: dict[str, Any]) -> None:
        """Appends a line and lets the model read it, after a made punctuation where those are made."""
        self.lines.append(raw)
        line = Line.parse(raw, len(self.lines))
        if line.kind not in ("punctuation", "clock_corrected", "policy"):
            self.now = max(self.now, line.at)
        if self.made:
            self.model.read(made_punctuation(self.now, line.offset))
        self.model.read(line)

    def instants(self, journey: Journey) -> list[int]:
        """Where something is decided about a journey."""
        clock = self.model.clock
        found = [] if clock is None else [clock - self.model.memory(), clock]
        if clock is not None and self.model.memory() != self.model.policy["cleanup_ms"]:
            found.append(clock - self.model.policy["cleanup_ms"] + 1)
        episode = journey.open_episode()
        if episode is not None:
            timeout = journey.timeout_deadline(episode)
            inactivity = journey.inactivity_deadline(episode)
            tie = timeout - journey.inactivity(episode)
            found += [timeout, inactivity, min(timeout, inactivity), tie, tie, episode.last_activity_at()]
            found += [episode.started_at, episode.cap()]
            if episode.policy["fatigue"] is not None:
                found.append(episode.last_activity_at() + episode.policy["fatigue"]["window_ms"])
        ended = journey.last_ended()
        if ended is not None and ended.end is not None:
            end = ended.end.at
            quiet = end + ended.policy["conversion_quiet_period_ms"]
            found += [end, end, quiet, quiet, end + ended.policy["cleanup_ms"]]
        return found


def _instant(pick: Pick, log: Draft, journey: Journey) -> int:
    ways = ["step", "decided", "back", "elsewhere"]
    how = pick(ways + (["step"] * 8 + ["decided"] if log.seldom_ends else ["step", "step", "decided", "decided"]))
    if how == "step":
        return log.now + pick(LIFE_STEPS if log.seldom_ends else STEPS)
    if how == "back":
        return log.now - pick(STEPS_BACK)
    if how == "elsewhere":
        journey = log.model.find(pick(log.names))
    instants = log.instants(journey) or [log.now]
    return pick(instants) + pick([0, 0, -1, 1])


def punctuation(pick: Pick, log: Draft) -> dict[str, Any]:
    """A punctuation: of now, about when something is due, repeated or going back."""
    journey = log.model.find(pick(log.names))
    how = pick(["now", "decided", "decided", "again", "any"])
    at = log.now
    if how == "decided":
        instants = log.instants(journey) or [log.now]
        policy = journey.episodes[-1].policy if journey.episodes else log.model.policy
        at = pick(instants) + policy["grace_ms"] + pick([0, 0, -1, 1])
    elif how == "again" and log.model.clock is not None:
        at = log.model.clock
    elif how == "any":
        at = _instant(pick, log, journey)
    return time_line(pick, log, at)


def time_line(pick: Pick, log: Draft, at: int, kind: str = "punctuation") -> dict[str, Any]:
    """A line of the time; on a live log mostly appended when it says, else at the limit, beyond it, or at no time."""
    raw: dict[str, Any] = {"kind": kind, "at": _written(pick, at)}
    if log.live:
        if kind == "punctuation":
            raw["time_source"] = "live"
        ahead = pick([0, 0, 0, 0, -DAY, 60_000, 60_001, None])
        if ahead is not None:
            raw["append_time"] = at - ahead
    return raw


def policy_change(pick: Pick, log: Draft) -> dict[str, Any]:
    """A policy that was not there before, or one that was: the default among them."""
    known = {raw["policy"]["version"]: raw["policy"] for raw in log.lines if raw.get("kind") == "policy"}
    new = policy_by(pick) | {"version": f"policy-{len(known)}"}
    policy = pick([new, new, new, {"version": "default-1"}, *known.values()])
    return {"kind": "policy", "policy": policy, "occurred_at": log.now}


def _written(pick: Pick, at: int) -> int | str:
    """An instant as the format allows it: mostly the integer, else RFC 3339 in UTC or another zone."""
    how = pick(range(12))
    if how > 1:
        return at
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)
    if how == 0:
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    elsewhere = moment.astimezone(timezone(timedelta(hours=5, minutes=30)))
    return elsewhere.isoformat(timespec="milliseconds").replace("+05:30", "999+05:30")  # floored to `at`


def any_record(pick: Pick, log: Draft) -> dict[str, Any]:
    """A record of any kind and journey, at an instant of some interest, or an earlier one again."""
    if log.lines and pick(range(25)) == 0:
        again = pick(log.lines[-14:])  # sent twice, in every field the same
        if again.get("kind") not in ("punctuation", "clock_corrected"):
            return dict(again)
    name = pick(log.names)
    kind = pick(LIFE_KINDS if log.seldom_ends else KINDS)
    return record(pick, log, name, kind, _instant(pick, log, log.model.find(name)))


def record(pick: Pick, log: Draft, name: str, kind: str, at: int) -> dict[str, Any]:
    """A record of a kind; for commands and signals `kind` is the name of what they order."""
    journey = log.model.find(name)
    number = len(log.lines) + 1
    raw: dict[str, Any] = {"journey_id": name, "user_id": f"user-{number}", "occurred_at": _written(pick, at)}
    if kind == "touchpoint":
        raw["touchpoint_id"] = _identity(pick, log, name, "touchpoint_id", number)
        return {**raw, **_touchpoint(pick, log, journey, number)}
    if kind == "registration":
        return {"kind": "registration", **raw, **_overrides(pick, journey)}
    raw["command_id"] = _identity(pick, log, name, "command_id", number)
    if pick(range(4)) == 0:
        del raw["command_id"]
    if kind == "extend":
        days = pick([0.5, 1, 2.25, 14, 60, 60])
        return {"kind": "command", **raw, "command": "extend", "days": days}
    if kind == "abandon":
        reason = pick([None, *REASONS])
        return {"kind": "command", **raw, "command": "abandon", **({"reason": reason} if reason else {})}
    return {"kind": "signal", **raw, "signal": kind}


def _identity(pick: Pick, log: Draft, name: str, id_field: str, number: int) -> str:
    """Mostly a new id, else one of the first or the last of this journey, or of all."""
    how = pick(range(10 if id_field == "touchpoint_id" else 5))
    if how <= 2:
        of = [raw[id_field] for raw in log.lines if raw.get(id_field) and (how == 0 or raw["journey_id"] == name)]
        if of:
            return pick(of[-14:] + of[:4])
    return f"id-{number}"  # touchpoint ids and command ids look alike on purpose


def _touchpoint(pick: Pick, log: Draft, journey: Journey, number: int) -> dict[str, Any]:
    raw: dict[str, Any] = {"channel": "search", "event_type": "click"}
    often = [None, "INTENT", "INTENT", "CONSIDERING"] if log.seldom_ends else ["CONVERTED", None]
    state = pick([None, *STATES, "CONSIDERING", "INTENT", *often])
    if state is not None:
        raw["state"] = state
    cost = pick(COSTS)
    episode = journey.open_episode()
    budget = None if episode is None else journey.budget(episode)
    if episode is not None and budget is not None and pick([True, False]):
        cost = max(0, budget - episode.total_cost_micros() + pick([0, -1]))
    written = [("cost_micros", cost), ("cost", f"{cost // 1_000_000}.{cost % 1_000_000:06d}"), ("cost", cost / 1e6)]
    name, amount = pick(written)
    raw[name] = amount
    probability, value = pick(PROBABILITIES), pick(VALUES)
    if probability is not None:
        raw["conversion_probability"] = probability
    if value is not None:
        raw["conversion_value"] = value
    if pick(range(3)) == 0:
        raw |= {"action_id": f"action-{number}", "policy_version": f"bids-{number}", "propensity": 1 / number}
    return raw


def _overrides(pick: Pick, journey: Journey) -> dict[str, Any]:
    episode = journey.open_episode()
    # a short timeout on an old episode moves its deadline before touchpoints that it has had
    short = [1] * 6 if episode is not None and len(episode.touchpoints) > 3 else [1]
    wanted = {
        "timeout_days": pick([None, None, *short, 2.5, 14, 30, 80]),
        "inactivity_hours": pick([None, None, 12, 48, 72.5, 336, 1440]),
        "budget": pick([None, None, None, 10, 25.000001, 40.5]),
    }
    return {name: value for name, value in wanted.items() if value is not None}
