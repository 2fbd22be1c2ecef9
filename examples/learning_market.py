"""A small market as a Gymnasium environment: each step bids for one simulated customer.

The customer's random numbers are drawn before the bid, so that all agents get the same customers. A manager records the
touchpoints in simulated time, and checks deadlines at the end of each day.
"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import gymnasium

from training_orchestrator import JourneyTimeoutManager, TrainerTouchpoint

DAY_MS = 86_400_000
BEGIN = 1_760_000_000_000
A_DAY = 25  # customers
BIDS = (0.5, 1.5, 4.0)  # dollars a touchpoint
VALUE = 40.0
KINDS = ("browsing", "comparing", "returning")
# Chance to convert at a touchpoint, by kind of customer and bid level.
CHANCE = ((0.002, 0.004, 0.006), (0.01, 0.05, 0.06), (0.04, 0.10, 0.22))
STAYS = (0.75, 0.65, 0.55)  # chance of one more touchpoint
TOUCHPOINTS = 6  # of a journey, at most


class MarketEnv(gymnasium.Env[int, int]):
    """One customer is one episode of one step: the observation is the kind of customer, the action a bid level.

    The reward is the immediate one: value minus spend of a journey that converts, nothing for one that stops. `info`
    has the journey's spend, and for JourneyRewards the action that bought its touchpoints.
    """

    observation_space = gymnasium.spaces.Discrete(len(KINDS))
    action_space = gymnasium.spaces.Discrete(len(BIDS))

    def __init__(self, store: Path, seed: int) -> None:
        self.day = 0
        self.at = BEGIN
        self._market = random.Random(seed)
        self._met = 0
        self._bought: list[TrainerTouchpoint] = []
        self._runner = asyncio.Runner()
        self._manager = JourneyTimeoutManager(store_path=store, now=lambda: self.at)
        self._runner.run(self._manager.start())

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Draw the next customer."""
        super().reset(seed=seed, options=options)
        self._kind = self._market.choices(range(len(KINDS)), (6, 3, 1))[0]
        self._luck = [self._market.random() for _ in range(TOUCHPOINTS)]
        self._stays = [self._market.random() < STAYS[self._kind] for _ in range(TOUCHPOINTS)]
        return self._kind, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Bid; the journey converts or stops."""
        name = f"day-{self.day}-{self._met}"
        began_at = self.at + self._met * 1000
        self._met += 1
        spent, converted = 0.0, False
        for number in range(TOUCHPOINTS):
            spent += BIDS[action]
            converted = self._luck[number] < CHANCE[self._kind][action]
            self._bought.append(
                TrainerTouchpoint(
                    name,
                    "CONVERTED" if converted else "CONSIDERING",
                    BIDS[action],
                    occurred_at=moment(began_at + number),
                    action_id=name,
                    conversion_probability=CHANCE[self._kind][action],
                    conversion_value=VALUE,
                )
            )
            if converted or not self._stays[number]:
                break
        info = {"journey_id": name, "action_id": name, "occurred_at": moment(began_at), "spent": spent}
        # A journey that stops is truncated: its outcome is not known yet.
        return self._kind, VALUE - spent if converted else 0.0, converted, not converted, info

    def end_day(self) -> None:
        """Record the touchpoints, move the clock by a day, and check deadlines."""
        if self._bought:
            self._runner.run(self._manager.record_touchpoints(self._bought))
        self._bought, self._met = [], 0
        self.day += 1
        self.at += DAY_MS
        self._runner.run(self._manager.check_timeouts())

    def close(self) -> None:
        """Stop the manager."""
        self._runner.run(self._manager.stop())
        self._runner.close()


def moment(at: int) -> datetime:
    """Datetime of epoch milliseconds."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)
