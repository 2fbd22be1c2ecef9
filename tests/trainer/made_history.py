"""Journeys of every kind, made by the same manager calls for each backend."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta

from training_orchestrator import JourneyRefusedError, JourneyTimeoutManager, TrainerTouchpoint

_STATES = ("UNAWARE", "AWARE", "CONSIDERING", "INTENT")
_AT_A_TIME = 500
_KINDS = 8


async def say(manager: JourneyTimeoutManager, count: int, begin: datetime) -> int:
    """Make `count` journeys within 50 hours after `begin`; returns the number of refused requests.

    No deadline comes before all is said, so that it makes no difference when somebody looks at them. The last word on a
    quarter of the journeys is a timeout that has passed.
    """
    chance = random.Random(11)
    names = [f"journey-{number:05d}" for number in range(count)]
    starts = {name: begin + timedelta(seconds=chance.randrange(36_000)) for name in names}
    await _all(manager.register_journey(name, start_time=starts[name], user_id=f"u-{name}") for name in names[::2])
    await manager.record_touchpoints([each for name in names for each in _touchpoints(name, starts[name], chance)])

    def of_kind(kind: int) -> Sequence[str]:
        return names[kind::_KINDS]

    end = begin + timedelta(hours=40)
    answers = await _all(
        [manager.mark_abandoned(name, "COMPETITOR_CONVERSION", at=end, requested_by="test") for name in of_kind(0)]
        + [manager.mark_abandoned(name, "USER_FATIGUE", at=end, note="asked to") for name in of_kind(1)]
        + [manager.extend_timeout(name, 3, at=end) for name in of_kind(2)]
        + [manager.mark_abandoned(f"nobody-{name}", at=end) for name in of_kind(3)]
    )
    again = await _all([manager.mark_abandoned(name, at=end) for name in of_kind(0)])
    await manager.record_touchpoints(
        [_one(name, "back", end + timedelta(hours=1), "AWARE", 2) for name in of_kind(0)]  # returns
        + [_one(name, "late", end - timedelta(hours=1), "AWARE", 1) for name in of_kind(1)]  # too late
        + [_one(name, "bought", end + timedelta(hours=1), "CONVERTED", 3) for name in of_kind(4)]
        + [_one(name, "bought", end + timedelta(hours=1), "CONVERTED", 3) for name in of_kind(4)]  # duplicates
    )
    await _all(manager.register_journey(name, start_time=end, budget=1) for name in of_kind(5))
    await manager.record_touchpoints([_one(name, "dear", end, None, 5) for name in of_kind(5)])
    await _all(manager.register_journey(name, start_time=end, timeout_days=1) for name in (*of_kind(6), *of_kind(7)))
    return sum(isinstance(answer, JourneyRefusedError) for answer in (*answers, *again))


async def _all(calls: Sequence[Awaitable[object]] | object) -> list[object]:
    """Await calls, many at a time; refusals are answers."""
    waiting = list(calls)  # type: ignore[call-overload]
    answers: list[object] = []
    for start in range(0, len(waiting), _AT_A_TIME):
        answers += await asyncio.gather(*waiting[start : start + _AT_A_TIME], return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, JourneyRefusedError):
            raise answer
    return answers


def _touchpoints(name: str, start: datetime, chance: random.Random) -> list[TrainerTouchpoint]:
    made = [
        _one(
            name,
            str(number),
            start + timedelta(seconds=chance.randrange(100_000)),
            chance.choice(_STATES),
            chance.randrange(10_000) / 100,
        )
        for number in range(chance.randrange(1, 5))
    ]
    return [*made, made[0]] if chance.random() < 0.1 else made


def _one(name: str, number: str, at: datetime, state: str | None, cost: float) -> TrainerTouchpoint:
    return TrainerTouchpoint(
        name, state, cost, "search", "click", at, f"{name}-{number}", action_id=f"a-{number}", propensity=0.25
    )
