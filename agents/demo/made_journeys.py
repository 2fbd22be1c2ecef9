"""Generated journeys for the demo, with what the ecom clickstream lacks; labelled `made-`.

Each journey follows one of the stories below, whose name stands in its id (`made-silent-0012`). A
story's docstring says how it ends under the default policy: timeout 14 days, inactivity 72 hours,
cap 90 days, cleanup 30 days.
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
# All lines arrive within so many days: the ecom file lasts 176, so both can be merged into one log.
SPAN_DAYS: Final = 175

_CHANNELS: Final = ("search", "display", "social", "video", "email")
_STATES: Final = ("AWARE", "AWARE", "CONSIDERING", "CONSIDERING", "INTENT")

Line: TypeAlias = dict[str, Any]


class Arrival(NamedTuple):
    """An object of the JSONL input and when it arrives, in epoch milliseconds; it may have occurred earlier."""

    at: int
    line: Line


@dataclass(slots=True)
class _Teller:
    """Tells one journey; `at` is now, in epoch milliseconds, and only moves forward."""

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
        """Tell of a touchpoint; without a state, of one between AWARE and INTENT."""
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
        """Touchpoints until so many days after the journey's beginning; by default less than 2 days apart."""
        while self.at < self.begin_at + until_day * DAY_MS:
            self.touch()
            self.wait(*hours)

    def late(self, back_hours: float) -> None:
        """Tell of a touchpoint that arrives now and occurred so many hours ago."""
        self.touch()["occurred_at"] = format_instant(self.at - int(back_hours * HOUR_MS))

    def again(self, line: Line) -> None:
        """Tell the same once more, some minutes later."""
        self.wait(0.02, 0.3)
        self.arrivals.append(Arrival(self.at, dict(line)))

    def register(self, **overrides: Any) -> None:
        self._line(kind="registration", **overrides)

    def signal(self, signal: str, note: str) -> None:
        self._request(kind="signal", signal=signal, requested_by="made-market-watch", note=note)

    def command(self, command: str, **more: Any) -> Line:
        return self._request(kind="command", command=command, requested_by="made-operator", **more)

    def _request(self, **said: Any) -> Line:
        self.commands += 1
        return self._line(**said, command_id=f"{self.journey_id}-request-{self.commands}")

    def _line(self, **said: Any) -> Line:
        line: Line = {
            "kind": said.pop("kind"),
            "journey_id": self.journey_id,
            "user_id": f"user-{self.journey_id}",
            "occurred_at": format_instant(self.at),
            **said,
        }
        self.arrivals.append(Arrival(self.at, line))
        return line


def _timed_out(tell: _Teller) -> None:
    """TIMEOUT after 14 days in spite of touchpoints; those behind it return, and fall silent."""
    tell.visits(until_day=17)


def _silent(tell: _Teller) -> None:
    """INACTIVITY 72 hours after the last touchpoint."""
    tell.visits(until_day=tell.random.uniform(0.1, 6))


def _extended(tell: _Teller) -> None:
    """TIMEOUT after 21 days: 7 days more by a command, which comes twice and counts once."""
    tell.visits(until_day=10)
    tell.again(tell.command("extend", days=7, note="asked for an offer"))
    tell.wait(1, 3)
    tell.visits(until_day=20)


def _extended_to_the_cap(tell: _Teller) -> None:
    """TIMEOUT after 90 days: the cap cuts 14 and three times 30 days short."""
    for day in (10, 40, 70):
        tell.visits(until_day=day)
        tell.command("extend", days=30)
        tell.wait(1, 3)
    tell.visits(until_day=89)


def _lost_to_competitor(tell: _Teller) -> None:
    """COMPETITOR_CONVERSION by signal."""
    tell.visits(until_day=tell.random.uniform(2, 9))
    tell.signal("competitor_conversion", note="bought elsewhere")


def _out_of_budget(tell: _Teller) -> None:
    """BUDGET_EXHAUSTED by signal."""
    tell.visits(until_day=tell.random.uniform(2, 9))
    tell.signal("budget_exhausted", note="campaign spent")


def _over_its_budget(tell: _Teller) -> None:
    """BUDGET_EXHAUSTED by the 3 dollars that it is registered with: touchpoints cost 0.50 to 1.50."""
    tell.register(budget="3.00")
    spent = Decimal(0)
    while spent < 3:
        tell.wait(2, 20)
        spent += Decimal(tell.touch()["cost"])


def _fatigued(tell: _Teller) -> None:
    """USER_FATIGUE by signal."""
    tell.visits(until_day=tell.random.uniform(2, 5), hours=(2, 9))
    tell.signal("fatigue", note="hides the advertisement")


def _by_hand(tell: _Teller) -> None:
    """MANUAL_TERMINATION; a second command is refused, and a touchpoint from before the end is late."""
    tell.visits(until_day=tell.random.uniform(2, 9))
    tell.command("abandon", note="asked to be left alone")
    tell.wait(1, 4)
    tell.command("abandon", reason="MANUAL_TERMINATION")
    tell.wait(20, 40)
    tell.late(back_hours=60)


def _short_timeout(tell: _Teller) -> None:
    """TIMEOUT after the 5 days that it is registered with; what comes behind it falls silent in 24 hours."""
    tell.register(timeout_days=5, inactivity_hours=24)
    tell.wait(1, 4)
    tell.visits(until_day=6, hours=(6, 20))


def _patient(tell: _Teller) -> None:
    """TIMEOUT after 14 days: gaps of 4 to 6 days are within the 168 hours that it is registered with."""
    tell.register(inactivity_hours=168)
    tell.wait(1, 4)
    tell.visits(until_day=14, hours=(100, 150))


def _never_touched(tell: _Teller) -> None:
    """INACTIVITY 72 hours after its registration, without a touchpoint."""
    tell.register()


def _returned(tell: _Teller) -> None:
    """INACTIVITY, a return days later, INACTIVITY again; then a touchpoint of the first silence is late."""
    tell.visits(until_day=3)
    last_at = parse_instant(tell.arrivals[-1].line["occurred_at"])
    tell.wait(100, 300)
    tell.visits(until_day=(tell.at - tell.begin_at) / DAY_MS + 1)
    tell.late(back_hours=(tell.at - last_at) / HOUR_MS - 2)


def _returned_and_converted(tell: _Teller) -> None:
    """INACTIVITY, a return days later, and a conversion in it."""
    tell.visits(until_day=3)
    tell.wait(100, 300)
    tell.touch("INTENT", "cart", conversion_probability=0.6, conversion_value="120.00")
    tell.wait(1, 5)
    tell.touch("CONVERTED", "purchase", conversion_value="118.50")


def _converted(tell: _Teller) -> None:
    """A conversion, no abandonment; a touchpoint from before it arrives two days later."""
    tell.visits(until_day=5)
    tell.touch("CONVERTED", "purchase", conversion_value="64.90")
    tell.wait(40, 50)
    tell.late(back_hours=60)


def _told_twice(tell: _Teller) -> None:
    """INACTIVITY once, though every touchpoint arrives twice."""
    for _ in range(6):
        tell.again(tell.touch())
        tell.wait(3, 40)


# Name, story, and the most days that it takes.
_STORIES: Final[tuple[tuple[str, Callable[[_Teller], None], int], ...]] = (
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
    ("told-twice", _told_twice, 11),
)


def arrivals(seed: int, begin_at_ms: int, count: int) -> list[Arrival]:
    """`count` journeys in order of arrival, the stories in turn, within SPAN_DAYS from `begin_at_ms`.

    The same for the same arguments. Raises ValueError for a count below zero.
    """
    if count < 0:
        raise ValueError(f"count: {count} is not allowed; expected 0 or more")
    random = Random(seed)  # noqa: S311 - a demo, not secrets
    told: list[Arrival] = []
    for number in range(count):
        name, story, days = _STORIES[number % len(_STORIES)]
        begin_at = begin_at_ms + random.randint(0, (SPAN_DAYS - days) * DAY_MS)
        tell = _Teller(random, f"made-{name}-{number:04d}", begin_at, begin_at)
        story(tell)
        told.extend(tell.arrivals)
    told.sort(key=lambda arrival: arrival.at)
    return told


def lines(seed: int, begin_at_ms: int, count: int) -> list[Line]:
    """Return the lines of `arrivals` alone."""
    return [arrival.line for arrival in arrivals(seed, begin_at_ms, count)]


def merge(made: Iterable[Arrival], touchpoints: Iterable[Line]) -> Iterator[Line]:
    """One log of both in order of arrival; `touchpoints` arrive as they occur, in order of time."""
    others = (Arrival(parse_instant(line["occurred_at"]), line) for line in touchpoints)
    return (arrival.line for arrival in heapq.merge(made, others, key=lambda arrival: arrival.at))
