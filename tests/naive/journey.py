"""Journeys with all that ever happened to them.

Nothing here is a running sum: each figure is computed again from the lists whenever it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .line import DAY, HOUR, Line, duration, micros


@dataclass
class End:
    """How an episode ended. An explicit end is inclusive, a deadline is exclusive."""

    at: int
    explicit: bool
    abandonment: dict[str, Any] | None  # None: it converted
    covers_only_to: int | None = None  # of a deadline, when the clock was corrected to an instant before it

    def covers(self, at: int, quiet_period_ms: int) -> bool:
        """Whether an instant lies before this end, so that a record there comes too late."""
        if self.abandonment is None:
            return at <= self.at + quiet_period_ms
        if self.covers_only_to is not None:
            return at <= self.covers_only_to
        return at <= self.at if self.explicit else at < self.at


@dataclass
class Episode:
    """One run of a journey, from the record that opened it to its end, if it has one."""

    started_at: int
    user_id: str | None
    policy: dict[str, Any]  # in force when it began, and kept
    returned_from: dict[str, Any] | None
    touchpoints: list[Line] = field(default_factory=list)  # in the order of the log
    extensions: list[int] = field(default_factory=list)  # milliseconds, each
    end: End | None = None

    def last_touchpoint_at(self) -> int | None:
        """The greatest occurred_at, None without touchpoints."""
        return max((t.at for t in self.touchpoints), default=None)

    def last_activity_at(self) -> int:
        """The greatest of started_at and all touchpoints."""
        return max([self.started_at, *(t.at for t in self.touchpoints)])

    def total_cost_micros(self) -> int:
        """Every touchpoint counts, in whatever order it came."""
        return sum(t.cost_micros for t in self.touchpoints)

    def last_given(self, name: str) -> Any:
        """The value of a field by the last touchpoint that gave it and was not older than all before it."""
        value = None
        for position, touchpoint in enumerate(self.touchpoints):
            older = any(touchpoint.at < earlier.at for earlier in self.touchpoints[:position])
            if not older and touchpoint.raw.get(name) is not None:
                value = touchpoint.raw[name]
        return value

    def state(self) -> str:
        """UNAWARE until a touchpoint says otherwise."""
        return self.last_given("state") or "UNAWARE"

    def touchpoints_within(self, after: int, until: int) -> int:
        """How many touchpoints lie in (after, until]."""
        return sum(1 for t in self.touchpoints if after < t.at <= until)

    def cap(self) -> int:
        """Where it ends at the latest."""
        return self.started_at + self.policy["max_journey_duration_ms"]

    def covers(self, at: int) -> bool:
        """Whether it has ended and a record at that instant comes too late."""
        return self.end is not None and self.end.covers(at, self.policy["conversion_quiet_period_ms"])


@dataclass
class Journey:
    """A journey from its first record until it counts as absent; then a new one begins."""

    journey_id: str
    episodes: list[Episode] = field(default_factory=list)
    registrations: list[Line] = field(default_factory=list)  # applied ones, in the order of the log
    identities: list[tuple[str, str]] = field(default_factory=list)  # of all records applied
    forgotten_identities: int = 0  # the first of them, which are no longer remembered
    is_gone: bool = False  # a clock that was wrong had forgotten it when it was corrected

    def remembered(self) -> list[tuple[str, str]]:
        """Identities that make a record with one of them a duplicate."""
        return self.identities[self.forgotten_identities :]

    def remember_last(self, policy: dict[str, Any]) -> None:
        """Forgets the identities before the last ones, of which the policy says how many."""
        forgotten = len(self.identities) - policy["remembered_ids"]
        self.forgotten_identities = max(self.forgotten_identities, forgotten)

    def open_episode(self) -> Episode | None:
        """The episode that has no end."""
        return next((e for e in self.episodes if e.end is None), None)

    def last_ended(self) -> Episode | None:
        """The episode that ended last."""
        return next((e for e in reversed(self.episodes) if e.end is not None), None)

    def last_abandonment(self) -> dict[str, Any] | None:
        """The abandonment that ended the last ended episode, None when it converted."""
        episode = self.last_ended()
        return None if episode is None or episode.end is None else episode.end.abandonment

    def _override(self, name: str) -> Any:
        given = [r.raw[name] for r in self.registrations if r.raw.get(name) is not None]
        return given[-1] if given else None

    def timeout(self, episode: Episode) -> int:
        """Milliseconds from started_at to the timeout, before extensions."""
        days = self._override("timeout_days")
        return episode.policy["timeout_ms"] if days is None else duration(days, DAY)

    def inactivity(self, episode: Episode) -> int:
        """Milliseconds of silence that end an episode."""
        hours = self._override("inactivity_hours")
        return episode.policy["inactivity_ms"] if hours is None else duration(hours, HOUR)

    def budget(self, episode: Episode) -> int | None:
        """Micros that an episode may spend, None without limit."""
        dollars = self._override("budget")
        return episode.policy["budget_micros"] if dollars is None else micros(dollars)

    def timeout_deadline(self, episode: Episode) -> int:
        """Extensions move it, the longest duration of a journey is its cap."""
        return min(episode.started_at + self.timeout(episode) + sum(episode.extensions), episode.cap())

    def inactivity_deadline(self, episode: Episode) -> int:
        """Counted from the last activity."""
        return episode.last_activity_at() + self.inactivity(episode)

    def deadline(self, episode: Episode) -> tuple[int, str]:
        """The instant that ends an open episode, and the reason; TIMEOUT wins a tie."""
        timeout = self.timeout_deadline(episode)
        inactivity = self.inactivity_deadline(episode)
        return (timeout, "TIMEOUT") if timeout <= inactivity else (inactivity, "INACTIVITY")
