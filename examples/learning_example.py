"""Does an agent bid better when journeys that just stop are accounted for? Ten seeds, three agents, one market.

    python examples/learning_example.py [seeds [days]]

Each agent bids for the same simulated customers. It learns the value of a bid level for what it sees of a customer, by
a running mean of rewards with some exploration. They differ only in what they are told:

    conversions   value minus spend of journeys that convert; one that stops is never heard of again
    abandonments  the same, and the penalty of each abandonment, through AbandonmentFeed; corrections, too
    own spend     conversions, and its own spend at the end of each day, whatever came of it: the honest rival

Everything goes through a manager and its feed, in simulated time: three months take some seconds.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import sqrt
from pathlib import Path
from statistics import mean, stdev

from training_orchestrator import AbandonmentFeed, JourneyTimeoutManager, TrainerTouchpoint

DAY_MS = 86_400_000
BEGIN = 1_760_000_000_000
DAYS = 90
A_DAY = 25
BIDS = (0.5, 1.5, 4.0)  # dollars a touchpoint
VALUE = 40.0
# Chance to convert at a touchpoint, by what the agent sees of the customer and by its bid level.
CHANCE = {
    "browsing": (0.002, 0.004, 0.006),
    "comparing": (0.01, 0.05, 0.06),
    "returning": (0.04, 0.10, 0.22),
}
STAYS = {"browsing": 0.75, "comparing": 0.65, "returning": 0.55}  # chance of one more touchpoint
EXPLORES = 0.1
ARMS = ("conversions", "abandonments", "own spend")
# Two-sided 95% of Student's t, by the number of seeds.
STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26, 20: 2.09}


@dataclass
class Agent:
    """Bids by what it has learned: a mean reward for each kind of customer and bid level."""

    chance: random.Random
    sums: dict[tuple[str, int], float] = field(default_factory=lambda: defaultdict(float))
    counts: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))

    def bid(self, kind: str) -> int:
        """Choose a bid level; what was never tried comes first."""
        levels = range(len(BIDS))
        if self.chance.random() < EXPLORES:
            return self.chance.choice(levels)
        return max(levels, key=lambda level: self.value(kind, level))

    def value(self, kind: str, level: int) -> float:
        """Mean reward of a bid level."""
        count = self.counts[kind, level]
        return self.sums[kind, level] / count if count else float("inf")

    def learn(self, action_id: str, reward: float, journeys: int = 1) -> None:
        """Take a reward for an action; a correction is no journey more."""
        kind, level = action_id.split(":")
        self.sums[kind, int(level)] += reward
        self.counts[kind, int(level)] += journeys


@dataclass
class Outcome:
    """What one run came to, in dollars, over the second half of its days (when there is something learned)."""

    wasted: float = 0.0
    """Spend on journeys that ended abandoned and did not come back."""
    spent: float = 0.0
    earned: float = 0.0


class Clock:
    """Simulated time."""

    at = BEGIN

    def __call__(self) -> int:
        """Now, in epoch milliseconds."""
        return self.at


async def run(arm: str, seed: int, days: int, folder: Path) -> Outcome:
    """Let one agent bid."""
    market, agent, outcome, clock = random.Random(seed), Agent(random.Random(seed + 1000)), Outcome(), Clock()
    store = folder / f"{arm}-{seed}.sqlite3"
    begun: dict[str, tuple[int, str]] = {}
    checkpoint: bytes | str = "earliest"
    async with JourneyTimeoutManager(store_path=store, now=clock) as manager:
        for day in range(days + 4):  # four more, so that the last journeys end, too
            if day < days:
                counted = outcome if day * 2 >= days else Outcome()
                await manager.record_touchpoints(play_day(arm, day, market, agent, begun, clock.at, counted))
            clock.at += DAY_MS
            await manager.check_timeouts()
            async with AbandonmentFeed.from_store(store, start=checkpoint, follow=False) as feed:
                async for batch in feed.batches():
                    for item in batch:
                        began, action_id = begun[item.journey_id]
                        if item.kind == "abandonment" and began * 2 >= days:
                            outcome.wasted += item.total_cost
                        if arm == "abandonments":
                            agent.learn(action_id, item.reward, item.kind == "abandonment")
                checkpoint = feed.checkpoint()
    return outcome


def play_day(
    arm: str,
    day: int,
    market: random.Random,
    agent: Agent,
    begun: dict[str, tuple[int, str]],
    at: int,
    outcome: Outcome,
) -> list[TrainerTouchpoint]:
    """Journeys of one day: the customer's chances are drawn first, so that all agents meet the same customers."""
    touchpoints = []
    for number in range(A_DAY):
        kind = market.choices(list(CHANCE), (6, 3, 1))[0]
        luck = [market.random() for _ in range(6)]
        stays = [market.random() < STAYS[kind] for _ in range(6)]
        level = agent.bid(kind)
        name, action_id = f"day-{day}-{number}", f"{kind}:{level}"
        begun[name] = day, action_id
        spent, converted = 0.0, False
        for step in range(6):
            spent += BIDS[level]
            converted = luck[step] < CHANCE[kind][level]
            touchpoints.append(
                TrainerTouchpoint(
                    name,
                    "CONVERTED" if converted else "CONSIDERING",
                    BIDS[level],
                    occurred_at=moment(at + number * 1000 + step),
                    action_id=action_id,
                    conversion_probability=CHANCE[kind][level],
                    conversion_value=VALUE,
                )
            )
            if converted or not stays[step]:
                break
        outcome.spent += spent
        outcome.earned += VALUE if converted else 0.0
        if converted:
            agent.learn(action_id, VALUE - spent)
        elif arm == "own spend":
            agent.learn(action_id, -spent)
    return touchpoints


def moment(at: int) -> datetime:
    """Datetime of epoch milliseconds."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)


def interval(values: list[float]) -> str:
    """Mean with its 95% confidence interval over seeds."""
    half = STUDENT.get(len(values), 2.0) * stdev(values) / sqrt(len(values))
    return f"{mean(values):8.0f} ± {half:.0f}"


def main() -> None:
    """Run all agents on all seeds and print what came of it."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    days = int(sys.argv[2]) if len(sys.argv) > 2 else DAYS
    if seeds < 2 or days < 2:
        print("seeds and days: at least 2 of each, for an interval over seeds and a second half of days")
        raise SystemExit(2)
    found: dict[str, list[Outcome]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for arm in ARMS:
            found[arm] = [asyncio.run(run(arm, seed, days, Path(folder))) for seed in range(seeds)]
    returns = {arm: [each.earned - each.spent for each in outcomes] for arm, outcomes in found.items()}
    print(f"dollars in the second half of {days} days, mean of {seeds} seeds and its 95% interval")
    print(f"{'told of':24}{'spend wasted':>18}{'return':>18}")
    for arm, outcomes in found.items():
        print(f"{arm:24}{interval([each.wasted for each in outcomes]):>18}{interval(returns[arm]):>18}")
    # The same customers come to all agents, so that differences are looked at seed by seed.
    for arm in ARMS[1:]:
        wasted = [a.wasted - b.wasted for a, b in zip(found[arm], found[ARMS[0]], strict=True)]
        more = [a - b for a, b in zip(returns[arm], returns[ARMS[0]], strict=True)]
        print(f"{arm + ', difference':24}{interval(wasted):>18}{interval(more):>18}")


if __name__ == "__main__":
    main()
