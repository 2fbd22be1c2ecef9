"""Generated journeys for the demo, for cases that the ecom clickstream lacks; their ids begin with `made-`.

Each journey follows one of the scenarios below, whose name is part of its id (`made-silent-0012`). The docstring of a
scenario says how it ends under the default policy: timeout 14 days, inactivity 72 hours, cap 90 days, cleanup 30 days.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any, Final, NamedTuple, TypeAlias

from journeys.schemas.instants import DAY_MS, HOUR_MS, format_instant, parse_instant

MINUTE_MS: Final = 60_000
# All lines arrive within this span: the ecom file covers 176 days, so both can be merged into one log.
SPAN_DAYS: Final = 175

_CHANNELS: Final = ("search", "display", "social", "video", "email")
_STATES: Final = ("AWARE", "AWARE", "CONSIDERING", "CONSIDERING", "INTENT")

Line: TypeAlias = dict[str, Any]


class Arrival(NamedTuple):
    """An object of the JSONL input and when it arrives, in epoch milliseconds; it may have occurred earlier."""

    at: int
    line: Line


@dataclass(slots=True)
class _Journey:
    """Builds the lines of one journey; `at` is the current time in epoch milliseconds, which never decreases."""

    random: Random
    journey_id: str
    begin_at: int
    at: int
    arrivals: list[Arrival] = field(default_factory=list)
    touchpoints: int = 0
    commands: int = 0

    def wait(self, low_hours: float, high_hours: float) -> None:
        self.at += self.random.randint(int(low_hours * HOUR_MS), int(high_hours * HOUR_MS))

    def touch(self, state: str | None = None, event_type: str = "visit", **more: Any) -> Line:
        """Add a touchpoint; without a state, in a random one from AWARE to INTENT."""
        self.touchpoints += 1
        line = self._line(
            kind="touchpoint",
            touchpoint_id=f"{self.journey_id}-{self.touchpoints}",
            channel=self.random.choice(_CHANNELS),
            event_type=event_type,
            state=state or self.random.choice(_STATES),
            cost=f"{self.random.randint(50, 150) / 100:.2f}",
        )
        line.update(more)
        return line

    def visits(self, until_day: float, hours: tuple[float, float] = (12, 44)) -> None:
        """Add touchpoints until `until_day` days after the journey's begin; by default less than 2 days apart."""
        while self.at < self.begin_at + until_day * DAY_MS:
            self.touch()
            self.wait(*hours)

    def late(self, back_hours: float) -> None:
        """Add a touchpoint that arrives now and occurred `back_hours` ago."""
        self.touch()["occurred_at"] = format_instant(self.at - int(back_hours * HOUR_MS))

    def again(self, line: Line) -> None:
        """Add the same line again, some minutes later."""
        self.wait(0.02, 0.3)
        self.arrivals.append(Arrival(self.at, dict(line)))

    def register(self, **overrides: Any) -> None:
        self._line(kind="registration", **overrides)

    def signal(self, signal: str, note: str) -> None:
        self._request(kind="signal", signal=signal, requested_by="made-market-watch", note=note)

    def command(self, command: str, **more: Any) -> Line:
        return self._request(kind="command", command=command, requested_by="made-operator", **more)

    def _request(self, **fields: Any) -> Line:
        self.commands += 1
        return self._line(**fields, command_id=f"{self.journey_id}-request-{self.commands}")

    def _line(self, **fields: Any) -> Line:
        line: Line = {
            "kind": fields.pop("kind"),
            "journey_id": self.journey_id,
            "user_id": f"user-{self.journey_id}",
            "occurred_at": format_instant(self.at),
            **fields,
        }
        self.arrivals.append(Arrival(self.at, line))
        return line


def _timed_out(journey: _Journey) -> None:
    """TIMEOUT after 14 days in spite of touchpoints; later ones are a return, which ends by INACTIVITY."""
    journey.visits(until_day=17)


def _silent(journey: _Journey) -> None:
    """INACTIVITY 72 hours after the last touchpoint."""
    journey.visits(until_day=journey.random.uniform(0.1, 6))


def _extended(journey: _Journey) -> None:
    """TIMEOUT after 21 days: extended by 7 days with a command that arrives twice and counts once."""
    journey.visits(until_day=10)
    journey.again(journey.command("extend", days=7, note="asked for an offer"))
    journey.wait(1, 3)
    journey.visits(until_day=20)


def _extended_to_the_cap(journey: _Journey) -> None:
    """TIMEOUT after 90 days: the cap limits 14 days and three extensions by 30 days."""
    for day in (10, 40, 70):
        journey.visits(until_day=day)
        journey.command("extend", days=30)
        journey.wait(1, 3)
    journey.visits(until_day=89)


def _lost_to_competitor(journey: _Journey) -> None:
    """COMPETITOR_CONVERSION by signal."""
    journey.visits(until_day=journey.random.uniform(2, 9))
    journey.signal("competitor_conversion", note="bought elsewhere")


def _out_of_budget(journey: _Journey) -> None:
    """BUDGET_EXHAUSTED by signal."""
    journey.visits(until_day=journey.random.uniform(2, 9))
    journey.signal("budget_exhausted", note="campaign spent")


def _over_its_budget(journey: _Journey) -> None:
    """BUDGET_EXHAUSTED by the 3 dollars of its registration: touchpoints cost 0.50 to 1.50."""
    journey.register(budget="3.00")
    spent = Decimal(0)
    while spent < 3:
        journey.wait(2, 20)
        spent += Decimal(journey.touch()["cost"])


def _fatigued(journey: _Journey) -> None:
    """USER_FATIGUE by signal."""
    journey.visits(until_day=journey.random.uniform(2, 5), hours=(2, 9))
    journey.signal("fatigue", note="hides the advertisement")


def _by_hand(journey: _Journey) -> None:
    """MANUAL_TERMINATION; a second command is refused, and a touchpoint that occurred before the end is late."""
    journey.visits(until_day=journey.random.uniform(2, 9))
    journey.command("abandon", note="asked to be left alone")
    journey.wait(1, 4)
    journey.command("abandon", reason="MANUAL_TERMINATION")
    journey.wait(20, 40)
    journey.late(back_hours=60)


def _short_timeout(journey: _Journey) -> None:
    """TIMEOUT after the 5 days of its registration; a return then ends by INACTIVITY after 24 hours."""
    journey.register(timeout_days=5, inactivity_hours=24)
    journey.wait(1, 4)
    journey.visits(until_day=6, hours=(6, 20))


def _patient(journey: _Journey) -> None:
    """TIMEOUT after 14 days: gaps of 4 to 6 days are within the 168 hours of its registration."""
    journey.register(inactivity_hours=168)
    journey.wait(1, 4)
    journey.visits(until_day=14, hours=(100, 150))


def _never_touched(journey: _Journey) -> None:
    """INACTIVITY 72 hours after its registration, without a touchpoint."""
    journey.register()


def _returned(journey: _Journey) -> None:
    """INACTIVITY, a return days later, INACTIVITY again; then a touchpoint from before the return is late."""
    journey.visits(until_day=3)
    last_at = parse_instant(journey.arrivals[-1].line["occurred_at"])
    journey.wait(100, 300)
    journey.visits(until_day=(journey.at - journey.begin_at) / DAY_MS + 1)
    journey.late(back_hours=(journey.at - last_at) / HOUR_MS - 2)


def _returned_and_converted(journey: _Journey) -> None:
    """INACTIVITY, a return days later, and a conversion in it."""
    journey.visits(until_day=3)
    journey.wait(100, 300)
    journey.touch("INTENT", "cart", conversion_probability=0.6, conversion_value="120.00")
    journey.wait(1, 5)
    journey.touch("CONVERTED", "purchase", conversion_value="118.50")


def _converted(journey: _Journey) -> None:
    """A conversion and no abandonment; a touchpoint that occurred before it arrives two days later."""
    journey.visits(until_day=5)
    journey.touch("CONVERTED", "purchase", conversion_value="64.90")
    journey.wait(40, 50)
    journey.late(back_hours=60)


def _duplicated(journey: _Journey) -> None:
    """INACTIVITY once, although every touchpoint arrives twice."""
    for _ in range(6):
        journey.again(journey.touch())
        journey.wait(3, 40)


# Name, scenario, and the longest time that it takes, in days.
_SCENARIOS: Final[tuple[tuple[str, Callable[[_Journey], None], int], ...]] = (
    ("timed-out", _timed_out, 19),
    ("silent", _silent, 8),
    ("extended", _extended, 24),
    ("extended-to-the-cap", _extended_to_the_cap, 91),
    ("lost-to-competitor", _lost_to_competitor, 11),
    ("out-of-budget", _out_of_budget, 11),
    ("over-its-budget", _over_its_budget, 6),
    ("fatigued", _fatigued, 6),
    ("by-hand", _by_hand, 13),
    ("short-timeout", _short_timeout, 7),
    ("patient", _patient, 21),
    ("never-touched", _never_touched, 1),
    ("returned", _returned, 22),
    ("returned-and-converted", _returned_and_converted, 19),
    ("converted", _converted, 10),
    ("told-twice", _duplicated, 11),
)


def arrivals(seed: int, begin_at_ms: int, count: int) -> list[Arrival]:
    """Lines of `count` journeys in order of arrival, the scenarios in turn, within SPAN_DAYS from `begin_at_ms`.

    The same for the same arguments. Raises ValueError for a count below zero.
    """
    if count < 0:
        raise ValueError(f"count: {count} is not allowed; expected 0 or more")
    random = Random(seed)  # noqa: S311 - a demo, not secrets
    result: list[Arrival] = []
    for number in range(count):
        name, scenario, days = _SCENARIOS[number % len(_SCENARIOS)]
        begin_at = begin_at_ms + random.randint(0, (SPAN_DAYS - days) * DAY_MS)
        journey = _Journey(random, f"made-{name}-{number:04d}", begin_at, begin_at)
        scenario(journey)
        result.extend(journey.arrivals)
    result.sort(key=lambda arrival: arrival.at)
    return result


def lines(seed: int, begin_at_ms: int, count: int) -> list[Line]:
    """Lines of `arrivals`, without their times of arrival."""
    return [arrival.line for arrival in arrivals(seed, begin_at_ms, count)]


def merge(made: Iterable[Arrival], touchpoints: Iterable[Line]) -> Iterator[Line]:
    """Merge both in order of arrival; `touchpoints` are in order of time and arrive when they occur."""
    others = (Arrival(parse_instant(line["occurred_at"]), line) for line in touchpoints)
    return (arrival.line for arrival in heapq.merge(made, others, key=lambda arrival: arrival.at))
