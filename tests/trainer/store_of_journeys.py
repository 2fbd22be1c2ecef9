"""A store full of ended journeys in simulated time: some returned, some of those converted."""

from __future__ import annotations

from pathlib import Path

from training_orchestrator import JourneyTimeoutManager, TimeoutConfiguration, TrainerTouchpoint

BEGIN = 1_760_000_000_000
DAY = 86_400_000
_EVERY_RETURNS = 5
_EVERY_BUYS = 10


class ManualClock:
    """A clock that is moved by hand, in epoch milliseconds."""

    def __init__(self) -> None:
        self.at = BEGIN

    def __call__(self) -> int:
        """Now."""
        return self.at


async def fill(store: Path, count: int, clock: ManualClock | None = None) -> None:
    """End `count` journeys by inactivity on the fourth day; every fifth returns on the sixth, every tenth buys then.

    A day later the returned ones that bought nothing are still open.
    """
    clock = clock or ManualClock()
    async with JourneyTimeoutManager(TimeoutConfiguration(grace_seconds=0), store_path=store, now=clock) as manager:
        names = [f"journey-{number:05d}" for number in range(count)]
        await manager.record_touchpoints(
            [
                TrainerTouchpoint(name, "AWARE", 1 + number % 50, touchpoint_id=f"{name}-1", action_id=f"bid-{number}")
                for number, name in enumerate(names)
            ]
        )
        clock.at += 4 * DAY
        await manager.check_timeouts()
        clock.at += 2 * DAY
        await manager.record_touchpoints(
            [
                TrainerTouchpoint(
                    name, "CONVERTED" if number % _EVERY_BUYS == 0 else "INTENT", touchpoint_id=f"{name}-2"
                )
                for number, name in enumerate(names)
                if number % _EVERY_RETURNS == 0
            ]
        )
        clock.at += DAY
        await manager.check_timeouts()
