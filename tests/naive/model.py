"""The rule, as a list of journeys that is scanned at each record.

A record is looked at in this order:
duplicate, deadline, late or refused, applied. What ended is never deleted from the list; it only
stops being found when it counts as absent.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .journey import End, Episode, Journey
from .line import DAY, Line, duration
from .penalty import abandonment
from .policy import DEFAULT_POLICY

SIGNAL_REASONS = {
    "competitor_conversion": "COMPETITOR_CONVERSION",
    "budget_exhausted": "BUDGET_EXHAUSTED",
    "fatigue": "USER_FATIGUE",
}


@dataclass
class Result:
    """What a log gives: abandonments in firing order, lifecycle entries, the fate of each line."""

    abandonments: list[dict[str, Any]] = field(default_factory=list)
    lifecycle: list[dict[str, Any]] = field(default_factory=list)
    outcomes: dict[int, str] = field(default_factory=dict)  # offset -> applied|late|duplicate|refused
    dead: list[int] = field(default_factory=list)  # offsets of the time that does not count

    @property
    def counts(self) -> dict[str, int]:
        """How many lines were applied, late, duplicate, refused, dead; punctuations that count are in none of them."""
        counted = Counter(self.outcomes.values())
        return {name: counted[name] for name in ("applied", "late", "duplicate", "refused")} | {"dead": len(self.dead)}


class Model:
    """All journeys of a partition, its clock and what has come out so far.

    `policy` holds what differs from DEFAULT_POLICY; durations in milliseconds, money in micros. Without one the
    default is in force until the log brings another; with one, it is in force whatever the log says. A log is of
    simulated time, as files are, unless it is `live`.
    """

    def __init__(self, policy: dict[str, Any] | None = None, *, live: bool = False) -> None:
        self.policies = [{**DEFAULT_POLICY, **(policy or {})}]  # in the order in which they came into force
        self.is_fixed = policy is not None
        self.journeys: list[Journey] = []
        self.replaced: list[Journey] = []  # by a later journey of the same id; never looked at again
        self.clock: int | None = None
        self.time_source: str | None = None if live else "simulated"
        self.known_after: int | None = None  # a corrected clock had forgotten who knows whom up to here
        self.result = Result()

    # Policy

    @property
    def policy(self) -> dict[str, Any]:
        """The one under which an episode would begin now."""
        return self.policies[-1]

    def memory(self) -> int:
        """Milliseconds behind the clock up to which an unknown journey is surely new: the shortest there has been."""
        return min(policy["cleanup_ms"] for policy in self.policies)

    # Time

    def counts(self, line: Line) -> bool:
        """Whether a line of the time may move the clock: live time is at most 60 s ahead of when it was appended."""
        source = self.time_source
        if line.kind == "punctuation":
            own = line.raw.get("time_source", "simulated")
            if source is not None and source != own:
                return False
            source = own
        appended = line.raw.get("append_time")
        return source == "simulated" or (appended is not None and line.at - appended <= 60_000)

    def _correct(self, line: Line) -> None:
        """The clock becomes what the line says. Nothing that was said is taken back."""
        for journey in self.journeys:
            if self.is_absent(journey, 0):
                journey.is_gone = True
            for episode in journey.episodes:
                end = episode.end
                if end is not None and end.abandonment is not None and not end.explicit:
                    to = max(line.at, episode.started_at)
                    if to < end.at - 1 and (end.covers_only_to is None or to < end.covers_only_to):
                        end.covers_only_to = to
        if self.clock is not None and line.at < self.clock:
            forgotten = self.clock - self.memory()
            if self.known_after is not None:
                forgotten = max(forgotten, self.known_after)
            self.known_after = min(forgotten, line.at)
        self.clock = line.at

    def _punctuate(self, line: Line) -> None:
        """Moves the clock, never back, and abandons all that is due, in order of deadline and journey_id."""
        self.clock = line.at if self.clock is None else max(self.clock, line.at)
        touched = []
        for journey in self.journeys:
            episode = journey.open_episode()
            if episode is not None and journey.deadline(episode)[0] <= self._latest_due(episode):
                extended = self._extend_if_engaged(journey, episode, self._latest_due(episode))
                deadline, reason = journey.deadline(episode)
                touched.append((deadline, journey.journey_id, reason, journey, episode, extended))
        for deadline, _, reason, journey, episode, extended in sorted(touched, key=lambda row: row[:2]):
            if extended:
                self._say("extended_automatically", line, journey, episode)
            if deadline <= self._latest_due(episode):
                self._abandon(journey, episode, reason, End(deadline, False, None), self.clock)

    def _latest_due(self, episode: Episode) -> int:
        """The latest deadline that a punctuation at the clock fires, by the grace of the episode's policy."""
        assert self.clock is not None
        return self.clock - episode.policy["grace_ms"]

    def _extend_if_engaged(self, journey: Journey, episode: Episode, latest_due: int) -> bool:
        rule = episode.policy["extension"]
        extended = False
        while rule is not None:
            deadline, reason = journey.deadline(episode)
            engaged_since = deadline - journey.inactivity(episode)
            if (
                deadline > latest_due
                or reason != "TIMEOUT"
                or deadline == episode.cap()
                or episode.state() not in ("CONSIDERING", "INTENT")
                or episode.touchpoints_within(engaged_since, deadline) < rule["touchpoints"]
            ):
                break
            episode.extensions.append(rule["extend_by_ms"])
            extended = True
        return extended

    # Records

    def find(self, journey_id: str, at: int = 0) -> Journey:
        """The journey for a record of that time; one without episodes when none is known or it counts as absent."""
        for journey in self.journeys:
            if journey.journey_id == journey_id and not self.is_absent(journey, at):
                return journey
        return Journey(journey_id)

    def is_absent(self, journey: Journey, at: int) -> bool:
        """An ended journey counts as absent for a record behind its cleanup period, and when the clock is by grace.

        Both are of the policy under which its last episode began.
        """
        last = journey.episodes[-1]
        if journey.is_gone:
            return True
        latest = at if self.clock is None else max(at, self.clock - last.policy["grace_ms"])
        return last.end is not None and last.end.at + last.policy["cleanup_ms"] <= latest

    def read(self, line: Line) -> None:
        """Takes the next line of the log: a punctuation, a policy, or a record and what becomes of it."""
        if line.kind in ("punctuation", "clock_corrected") and not self.counts(line):
            self.result.dead.append(line.offset)
        elif line.kind == "punctuation":
            self.time_source = line.raw.get("time_source", "simulated")  # as the first one that counts
            self._punctuate(line)
        elif line.kind == "clock_corrected":
            self._correct(line)
        elif line.kind == "policy":
            if not self.is_fixed:
                self.policies.append({**DEFAULT_POLICY, **line.raw["policy"]})
        else:
            self.result.outcomes[line.offset] = self._outcome(line)

    def _outcome(self, line: Line) -> str:
        journey = self.find(line.raw["journey_id"], line.at)
        if self._is_duplicate(line, journey) and not self._is_forgotten_by_then(line, journey):
            return "duplicate"
        self._extend_if_due(line, journey)
        self._abandon_if_after_deadline(line, journey)
        journey = self.find(line.raw["journey_id"], line.at)  # what has just ended may count as absent at once
        if self._is_duplicate(line, journey):
            return "duplicate"
        if self._comes_too_late(line, journey):
            return self._turn_away(line, journey)
        if line.kind == "touchpoint":
            self._apply_touchpoint(line, journey)
        elif line.kind == "registration":
            self._episode_for(line, journey)
            journey.registrations.append(line)
        else:
            episode = journey.open_episode()
            if episode is None:
                return self._turn_away(line, journey)
            self._apply_order(line, journey, episode)
        if line.identity is not None:
            journey.identities.append(line.identity)
            journey.remember_last(journey.episodes[-1].policy)
        return "applied"

    def _is_duplicate(self, line: Line, journey: Journey) -> bool:
        return line.identity is not None and line.identity in journey.remembered()

    def _is_forgotten_by_then(self, line: Line, journey: Journey) -> bool:
        """Whether the open episode, extended if it is engaged, ends so long before the line that memory ends, too."""
        episode = journey.open_episode()
        if episode is None:
            return False
        before = list(episode.extensions)
        self._extend_if_engaged(journey, episode, line.at)
        deadline, _ = journey.deadline(episode)
        episode.extensions = before
        return deadline + episode.policy["cleanup_ms"] <= line.at

    def _extend_if_due(self, line: Line, journey: Journey) -> None:
        episode = journey.open_episode()
        if episode is not None and self._extend_if_engaged(journey, episode, line.at):
            self._say("extended_automatically", line, journey, episode)

    def _abandon_if_after_deadline(self, line: Line, journey: Journey) -> None:
        episode = journey.open_episode()
        if episode is None:
            return
        deadline, reason = journey.deadline(episode)
        if deadline <= line.at:
            self._abandon(journey, episode, reason, End(deadline, False, None), self._detected_at(line))

    def _comes_too_late(self, line: Line, journey: Journey) -> bool:
        if not journey.episodes:
            if self.known_after is not None and line.at <= self.known_after:
                return True
            return self.clock is not None and line.at + self.memory() <= self.clock
        return any(episode.covers(line.at) for episode in journey.episodes)

    def _turn_away(self, line: Line, journey: Journey) -> str:
        episode = journey.last_ended()
        if line.kind != "touchpoint":
            self._say("refused", line, journey, episode, names=journey.last_abandonment())
            return "refused"
        self._say("late_touchpoint", line, journey, episode, names=journey.last_abandonment())
        return "late"

    def _apply_touchpoint(self, line: Line, journey: Journey) -> None:
        episode = self._episode_for(line, journey)
        episode.touchpoints.append(line)
        end = End(episode.last_activity_at(), True, None)
        budget = journey.budget(episode)
        if line.raw.get("state") == "CONVERTED":
            episode.end = end
            past = episode.returned_from
            if past is not None and past["abandoned_at"] + episode.policy["cleanup_ms"] <= end.at:
                past = None
            self._say("converted", line, journey, episode, names=past)
        elif budget is not None and episode.total_cost_micros() >= budget:
            self._abandon(journey, episode, "BUDGET_EXHAUSTED", end, self._detected_at(line))
        elif self._is_tired(episode):
            self._abandon(journey, episode, "USER_FATIGUE", end, self._detected_at(line))

    def _is_tired(self, episode: Episode) -> bool:
        rule = episode.policy["fatigue"]
        last = max(t.at for t in episode.touchpoints)
        return rule is not None and episode.touchpoints_within(last - rule["window_ms"], last) >= rule["touchpoints"]

    def _apply_order(self, line: Line, journey: Journey, episode: Episode) -> None:
        """What a signal or a command does to an open episode."""
        if line.kind == "command" and line.raw["command"] == "extend":
            episode.extensions.append(duration(line.raw["days"], DAY))
            self._say("extended", line, journey, episode)
            return
        if line.kind == "command":
            reason = line.raw.get("reason") or "MANUAL_TERMINATION"
        else:
            reason = SIGNAL_REASONS[line.raw["signal"]]
        end = End(max(line.at, episode.last_activity_at()), True, None)
        self._abandon(journey, episode, reason, end, self._detected_at(line))

    # What comes out

    def _episode_for(self, line: Line, journey: Journey) -> Episode:
        """The open episode, or a new one that this line begins."""
        episode = journey.open_episode()
        if episode is not None:
            return episode
        if not journey.episodes:  # it takes the place of one that counts as absent
            self.replaced += [other for other in self.journeys if other.journey_id == journey.journey_id]
            self.journeys = [other for other in self.journeys if other.journey_id != journey.journey_id]
            self.journeys.append(journey)
        past = journey.last_abandonment() if line.kind == "touchpoint" else None
        episode = Episode(line.at, line.raw.get("user_id"), self.policy, past)
        journey.episodes.append(episode)
        journey.remember_last(episode.policy)
        if past is None:
            self._say("started", line, journey, episode)
        else:
            converts = line.raw.get("state") == "CONVERTED"
            penalty = past["total_penalty_micros"]
            self._say("returned", line, journey, episode, past, converts_at_once=converts, total_penalty_micros=penalty)
        return episode

    def _detected_at(self, line: Line) -> int:
        return line.at if self.clock is None else max(self.clock, line.at)

    def _abandon(self, journey: Journey, episode: Episode, reason: str, end: End, detected_at: int) -> None:
        end.abandonment = abandonment(journey.journey_id, episode, reason, end.at, detected_at)
        episode.end = end
        self.result.abandonments.append(end.abandonment)

    def _say(
        self,
        kind: str,
        line: Line,
        journey: Journey,
        episode: Episode | None,
        names: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """A lifecycle entry; `episode` is the one concerned, `names` an abandonment."""
        entry = {
            "kind": kind,
            "journey_id": journey.journey_id,
            "offset": line.offset,
            "started_at": None if episode is None else episode.started_at,
            "abandonment_id": None if names is None else names["abandonment_id"],
            **more,
        }
        if kind in ("extended", "refused"):
            entry["command_id"] = line.raw.get("command_id")  # every answer repeats it
        self.result.lifecycle.append(entry)
