"""A market as a Gymnasium environment: each step bids for one touchpoint of a journey, which a manager records."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from training_orchestrator import JourneyTimeoutManager, TimeoutConfiguration, TrainerTouchpoint
from training_orchestrator.api.local_time import datetime_of
from training_orchestrator.runtime.loop_thread import LoopThread

from .store_of_journeys import DAY, ManualClock

BIDS = (0.5, 2.0)
_HOUR = DAY // 24


class BiddingEnv(gymnasium.Env[Any, Any]):
    """One environment episode is one journey. Its customer stops, or buys, or stays for up to six touchpoints.

    The environment can't know of a stop: it says that watching has ended (`truncated`).
    """

    observation_space = gymnasium.spaces.Box(0, 12, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, store: Any, clock: ManualClock) -> None:
        self.clock = clock
        self.spent = 0.0
        self._thread = LoopThread()
        self._manager = JourneyTimeoutManager(TimeoutConfiguration(grace_seconds=0), store_path=store, now=clock)
        self._thread.run(self._manager.start())

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Draw the next customer; a seed gives the same customer again."""
        super().reset(seed=seed, options=options)
        self.journey = f"journey-{self.np_random.integers(1 << 62)}"
        self._steps = 0
        self.spent = 0.0
        return self._seen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Bid; what was bought is recorded an hour after the last."""
        self._steps += 1
        self.clock.at += _HOUR
        buys = bool(self.np_random.random() < 0.1)
        stays = self._steps == 1 or (self._steps < 6 and bool(self.np_random.random() < 0.7))
        action_id = f"{self.journey}-{self._steps}"
        self.spent += BIDS[int(action)]
        self.touch("CONVERTED" if buys else "AWARE", BIDS[int(action)], action_id)
        info = {"journey_id": self.journey, "action_id": action_id, "spent": BIDS[int(action)]}
        return self._seen(), 40.0 if buys else 0.0, buys, not buys and not stays, info

    def touch(self, state: str, cost: float, action_id: str | None = None) -> None:
        """Record a touchpoint of the present journey."""
        touchpoint = TrainerTouchpoint(self.journey, state, cost, touchpoint_id=action_id, action_id=action_id)
        self._thread.run(self._manager.record_touchpoints([touchpoint]))

    def pass_days(self, days: float) -> None:
        """Move the clock, and check deadlines."""
        self.clock.at += int(days * DAY)
        self._thread.run(self._manager.check_timeouts())

    def now(self) -> Any:
        """Now, as the wrapper wants it."""
        return datetime_of(self.clock.at)

    def close(self) -> None:
        """Stop the manager."""
        self._thread.run(self._manager.stop())
        self._thread.close()

    def _seen(self) -> Any:
        return np.array([self._steps, self.spent], np.float32)
