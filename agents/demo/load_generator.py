"""Generates touchpoints by the million for load tests, equal for equal seeds on every machine.

Only `random.Random.random` and integers are used: the other methods of `random` and the functions of `math` may change
between versions and machines. Journeys begin evenly over the span and wait in a heap for their next touchpoint, so
memory holds the active journeys, not the output.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final, NamedTuple, TypeAlias

from journeys.schemas.instants import DAY_MS, HOUR_MS, SECOND_MS

BEGIN_AT_MS: Final = 1_735_689_600_000  # 2025-01-01T00:00:00Z
MINUTE_MS: Final = 60 * SECOND_MS

# Channel and the maximal cost of a touchpoint there, in ten-thousandths of a dollar.
_CHANNELS: Final = (
    ("search", 25_000),
    ("search", 25_000),
    ("display", 900),
    ("display", 900),
    ("social", 6_000),
    ("social", 6_000),
    ("video", 4_000),
    ("email", 120),
    ("affiliate", 12_000),
    ("direct", 0),
)
# States: name, event types, and the probability that the journey converts from it.
_LEVELS: Final = (
    ("UNAWARE", ("impression", "view"), 0.01),
    ("AWARE", ("click", "visit", "search"), 0.05),
    ("CONSIDERING", ("product_view", "compare", "add_to_cart"), 0.3),
    ("INTENT", ("cart", "shipping_details", "payment_details"), 0.5),
)
# Paces of journeys: shortest and longest gap between touchpoints. With the last one a journey outlives 14 days.
_PACES: Final = (
    (2 * MINUTE_MS, 40 * MINUTE_MS),
    (20 * MINUTE_MS, 10 * HOUR_MS),
    (6 * HOUR_MS, 40 * HOUR_MS),
    (36 * HOUR_MS, 66 * HOUR_MS),
)
_PAUSE_SHARE: Final = 0.02  # of the gaps: longer than the inactivity threshold, so a return follows
_PAUSE_MS: Final = (4 * DAY_MS, 12 * DAY_MS)
_CONVERTING_SHARE: Final = 0.12  # of the journeys
_DUPLICATE_DELAY_MS: Final = (SECOND_MS, 5 * MINUTE_MS)
_LATE_DELAY_MS: Final = (4 * DAY_MS, 8 * DAY_MS)
_OUT_OF_ORDER_DELAY_MS: Final = (10 * MINUTE_MS, 3 * HOUR_MS)

_Line: TypeAlias = dict[str, Any]
_Chance: TypeAlias = Callable[[], float]


class Shares(NamedTuple):
    """Shares of touchpoints that do not arrive exactly once and in order of time, each 0 to 1.

    `duplicates` arrive again within 5 minutes, `late` ones 4 to 8 days after they occurred (after most journeys have
    ended), `out_of_order` ones 10 minutes to 3 hours after.
    """

    duplicates: float = 0.01
    late: float = 0.005
    out_of_order: float = 0.01


@dataclass(slots=True)
class _Journey:
    """An active journey: `left` touchpoints are still to come."""

    journey_id: str
    user_id: str
    left: int
    converts_at: int | None  # number of the touchpoint that is the purchase
    pace: tuple[int, int]
    channel: tuple[str, int]
    sent: int = 0
    level: int = 0


def generate(
    journeys: int,
    seed: int,
    begin_at_ms: int = BEGIN_AT_MS,
    span_days: int = 30,
    touchpoints_per_journey: int = 10,
    shares: Shares = Shares(),  # noqa: B008 - a NamedTuple can't be changed
) -> Iterator[_Line]:
    """Touchpoints as objects of the JSONL input, in the order in which they arrive.

    Journeys begin within `span_days` from `begin_at_ms` (epoch milliseconds); their last touchpoints may be later.
    There are exactly `journeys * touchpoints_per_journey` distinct touchpoints; a single journey has from 1 to twice
    the mean less 1. `occurred_at` is in epoch milliseconds and never decreases, except for `shares`. Raises ValueError,
    before the first one, for counts below 1 and for shares that are negative or sum to more than 1.
    """
    for name, count in (
        ("journeys", journeys),
        ("span_days", span_days),
        ("touchpoints_per_journey", touchpoints_per_journey),
    ):
        if count < 1:
            raise ValueError(f"{name}: {count} is not allowed; expected 1 or more")
    if min(shares) < 0 or sum(shares) > 1:
        raise ValueError(f"shares: {tuple(shares)} are not allowed; expected 0 to 1, together at most 1")
    chance = Random(seed).random  # noqa: S311 - load, not secrets
    beginnings = _beginnings(journeys, seed, begin_at_ms, span_days * DAY_MS, touchpoints_per_journey, chance)
    return _arrivals(beginnings, shares, chance)


def _beginnings(
    journeys: int, seed: int, begin_at_ms: int, span_ms: int, mean: int, chance: _Chance
) -> Iterator[tuple[int, _Journey]]:
    """Journeys with the instants of their first touchpoints, which never decrease."""
    more = 0
    for number in range(journeys):
        if number % 2:
            more = -more  # as many touchpoints less than the mean as the journey before has more: the sum is exact
        elif number + 1 < journeys:
            more = _between(chance, 0, mean - 1)
        else:
            more = 0
        count = mean + more
        at = begin_at_ms + int((number + chance()) * span_ms / journeys)
        converts_at = None
        if chance() < _CONVERTING_SHARE:
            # Most purchases are the last touchpoint; after the others another episode begins.
            converts_at = count if chance() < 0.75 else _between(chance, 1, count)
        yield (
            at,
            _Journey(
                journey_id=f"load-{seed}-{number:07d}",
                user_id=f"user-{_between(chance, 0, journeys - 1):07d}",
                left=count,
                converts_at=converts_at,
                pace=_pick(chance, _PACES),
                channel=_pick(chance, _CHANNELS),
            ),
        )


def _arrivals(beginnings: Iterator[tuple[int, _Journey]], shares: Shares, chance: _Chance) -> Iterator[_Line]:
    """Touchpoints in order of arrival; the heap holds active journeys and delayed touchpoints."""
    duplicates = shares.duplicates
    late = duplicates + shares.late
    out_of_order = late + shares.out_of_order
    heap: list[tuple[int, int, _Journey | _Line]] = []
    pushed = 0  # breaks ties in the heap, so that equal instants keep one order
    beginning = next(beginnings, None)
    while heap or beginning is not None:
        if beginning is not None and (not heap or beginning[0] <= heap[0][0]):
            at, journey = beginning
            beginning = next(beginnings, None)
        else:
            at, _, waiting = heapq.heappop(heap)
            if isinstance(waiting, dict):
                yield waiting
                continue
            journey = waiting
        line = _touchpoint(journey, at, chance)
        if journey.left:
            gap = _PAUSE_MS if chance() < _PAUSE_SHARE else journey.pace
            heapq.heappush(heap, (at + _between(chance, *gap), pushed, journey))
            pushed += 1
        fate = chance()
        if fate >= out_of_order:
            yield line
        elif fate < duplicates:
            heapq.heappush(heap, (at + _between(chance, *_DUPLICATE_DELAY_MS), pushed, dict(line)))
            pushed += 1
            yield line
        else:
            delay = _LATE_DELAY_MS if fate < late else _OUT_OF_ORDER_DELAY_MS
            heapq.heappush(heap, (at + _between(chance, *delay), pushed, line))
            pushed += 1


def _touchpoint(journey: _Journey, at: int, chance: _Chance) -> _Line:
    """Next touchpoint of a journey, at epoch milliseconds `at`."""
    journey.left -= 1
    journey.sent += 1
    drift = chance()
    if drift < 0.35 and journey.level < 3:
        journey.level += 1
    elif drift > 0.92 and journey.level > 0:
        journey.level -= 1
    if chance() < 0.1:
        journey.channel = _pick(chance, _CHANNELS)
    channel, most = journey.channel
    state, events, probability = _LEVELS[journey.level]
    cost = int(chance() * (most + 1))
    line: _Line = {
        "kind": "touchpoint",
        "journey_id": journey.journey_id,
        "user_id": journey.user_id,
        "occurred_at": at,
        "touchpoint_id": f"{journey.journey_id}-{journey.sent}",
        "channel": channel,
        "event_type": _pick(chance, events),
        "cost": f"{cost // 10_000}.{cost % 10_000:04d}",
    }
    if journey.sent == journey.converts_at:
        line["event_type"] = "purchase"
        line["state"] = "CONVERTED"
        line["conversion_value"] = _dollars(chance)
        journey.level = 0  # what follows is another episode
    elif chance() < 0.85:
        line["state"] = state
    if chance() < 0.3 and line.get("state") != "CONVERTED":
        # With five decimals it prints the same on every machine.
        line["conversion_probability"] = int(probability * (0.5 + chance()) * 100_000) / 100_000
        line["conversion_value"] = _dollars(chance)
    if chance() < 0.2:
        line["action_id"] = f"bid-{_between(chance, 1, 40)}"
        line["policy_version"] = f"bidder-{_between(chance, 1, 3)}"
        line["propensity"] = _between(chance, 1, 1000) / 1000
    return line


def _dollars(chance: _Chance) -> str:
    cents = _between(chance, 1_500, 40_000)
    return f"{cents // 100}.{cents % 100:02d}"


def _between(chance: _Chance, low: int, high: int) -> int:
    """Return an integer from low to high, both included."""
    return low + int(chance() * (high - low + 1))


def _pick(chance: _Chance, choices: tuple[Any, ...]) -> Any:
    return choices[int(chance() * len(choices))]
