"""Compares three bidding agents that get different rewards for abandoned journeys. Ten seeds, one market.

    python examples/learning_example.py [--seeds 10] [--days 90] [--plot FILE.svg]

Each agent bids for the same simulated customers (learning_market.py). It learns the value of each bid level for each
kind of customer: a running mean of rewards, with some exploration. The agents differ only in their rewards:

    conversions   value minus spend of a journey that converts; no reward for one that stops
    abandonments  the same, and the penalty of each abandonment, by JourneyRewards from an AbandonmentFeed
    own spend     value minus spend of a journey that converts, minus spend of one that stops, at once

All journeys go through a manager and its feed, in simulated time: three months take some seconds.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from statistics import mean, stdev

from learning_market import A_DAY, BIDS, MarketEnv, moment

from training_orchestrator import AbandonmentFeed, FeedItem, JourneyRewards, RewardRule

EXPLORES = 0.1
PENALTY = RewardRule(price="penalty")
ARMS = ("conversions", "abandonments", "own spend")
# Two-sided 95% of Student's t, by the number of seeds.
STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26, 20: 2.09}


@dataclass
class Agent:
    """Learns a mean reward for each kind of customer and bid level, and bids by it."""

    chance: random.Random
    sums: dict[tuple[int, int], float] = field(default_factory=lambda: defaultdict(float))
    counts: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))

    def bid(self, kind: int) -> int:
        """Choose a bid level; an untried one comes first."""
        levels = range(len(BIDS))
        if self.chance.random() < EXPLORES:
            return self.chance.choice(levels)
        return max(levels, key=lambda level: self.value(kind, level))

    def value(self, kind: int, level: int) -> float:
        """Mean reward of a bid level."""
        count = self.counts[kind, level]
        return self.sums[kind, level] / count if count else float("inf")

    def learn(self, decision: tuple[int, int], reward: float, journeys: int = 1) -> None:
        """Add a reward of a decision; a correction has `journeys=0`."""
        self.sums[decision] += reward
        self.counts[decision] += journeys


class Outcome:
    """Result of one run, in dollars by the day on which a journey began."""

    def __init__(self, days: int) -> None:
        self.wasted = [0.0] * days
        """Spend on abandoned journeys."""
        self.gained = [0.0] * days
        """Value of conversions minus all spend."""


@dataclass
class Learner:
    """An agent in a market. Keeps its decisions by action_id, for penalties that come days later."""

    arm: str
    agent: Agent
    env: JourneyRewards[int, int]
    market: MarketEnv
    outcome: Outcome
    decisions: dict[str, tuple[int, int]] = field(default_factory=dict)
    began: dict[str, int] = field(default_factory=dict)

    def bid_for_a_day(self) -> None:
        """Bid for the customers of a day, and learn from the immediate rewards."""
        for _ in range(A_DAY):
            kind, _ = self.env.reset()
            decision = kind, self.agent.bid(kind)
            _, reward, converted, _, info = self.env.step(decision[1])
            self.decisions[info["action_id"]] = decision
            self.began[info["journey_id"]] = self.market.day
            self.outcome.gained[self.market.day] += reward if converted else -info["spent"]
            if converted:
                self.agent.learn(decision, float(reward))
            elif self.arm == "own spend":
                self.agent.learn(decision, -info["spent"])

    def learn_from(self, items: list[FeedItem]) -> None:
        """Learn from items of the feed: each penalty belongs to the decision that earned it."""
        for item in items:
            if item.kind == "abandonment":
                self.outcome.wasted[self.began[item.journey_id]] += item.total_cost
        for late in self.env.credit(items):
            if self.arm == "abandonments":
                self.agent.learn(self.decisions[late.action_id], late.reward, late.because == "abandonment")


def run(arm: str, seed: int, days: int, folder: Path) -> Outcome:
    """Run one agent."""
    store = folder / f"{arm}-{seed}.sqlite3"
    market = MarketEnv(store, seed)
    env = JourneyRewards(market, booked="sales", now=lambda: moment(market.at))
    learner = Learner(arm, Agent(random.Random(seed + 1000)), env, market, Outcome(days))
    checkpoint: bytes | str = "earliest"
    for day in range(days + 4):  # four more, so that the last journeys end
        if day < days:
            learner.bid_for_a_day()
        market.end_day()
        # Opened once a day and read to its end, so that all runs get the same items on the same day.
        with AbandonmentFeed.from_store(store, start=checkpoint, follow=False, rewards=PENALTY) as feed:
            for batch in feed.batches():
                learner.learn_from(batch)
            checkpoint = feed.checkpoint()
    env.close()
    return learner.outcome


def half_width(values: list[float]) -> float:
    """Half width of the mean's 95% confidence interval over seeds."""
    return STUDENT.get(len(values), 2.0) * stdev(values) / sqrt(len(values))


def interval(values: list[float]) -> str:
    """Mean and half width of its interval, as text."""
    return f"{mean(values):8.0f} ± {half_width(values):.0f}"


def plot(outcomes: dict[str, list[Outcome]], days: int, path: Path) -> None:
    """Plot the cumulative sums by day, mean and interval; readable on a white and on a black background."""
    import matplotlib as mpl  # noqa: PLC0415  (only the plot needs it)
    from matplotlib import pyplot  # noqa: PLC0415  (as above)

    grey = "#808890"
    mpl.use("svg")
    mpl.rcParams.update(dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), grey))
    mpl.rcParams.update({"xtick.color": grey, "ytick.color": grey, "svg.hashsalt": "journeys", "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axis, name, title in zip(axes, ("wasted", "gained"), ("spend wasted", "return"), strict=True):
        for arm, colour in zip(ARMS, ("#c46a3b", "#3b82c4", "#4f9d69"), strict=True):
            sums = [[sum(getattr(each, name)[: day + 1]) for each in outcomes[arm]] for day in range(days)]
            means, halves = [mean(values) for values in sums], [half_width(values) for values in sums]
            axis.plot(range(1, days + 1), means, color=colour, label=arm)
            low, high = ([m + sign * h for m, h in zip(means, halves, strict=True)] for sign in (-1, 1))
            axis.fill_between(range(1, days + 1), low, high, color=colour, alpha=0.25, linewidth=0)
        axis.set(title=f"{title}, dollars so far", xlabel="day")
        axis.grid(color=grey, alpha=0.25)
    axes[0].legend(frameon=False)
    # Without a date two runs make the same file.
    figure.savefig(path, transparent=True, metadata={"Date": None})


def main() -> None:
    """Run all agents on all seeds and print the results."""
    parser = argparse.ArgumentParser(description="Compare agents with and without rewards for abandonments.")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="Also plot the results.")
    arguments = parser.parse_args()
    if arguments.seeds < 2 or arguments.days < 2:
        parser.error("--seeds and --days: at least 2 of each, for an interval over seeds and a second half of days")
    with tempfile.TemporaryDirectory() as folder:
        outcomes = {
            arm: [run(arm, seed, arguments.days, Path(folder)) for seed in range(arguments.seeds)] for arm in ARMS
        }
    half = (arguments.days + 1) // 2  # in the first half little was learned yet
    wasted = {arm: [sum(each.wasted[half:]) for each in runs] for arm, runs in outcomes.items()}
    returns = {arm: [sum(each.gained[half:]) for each in runs] for arm, runs in outcomes.items()}
    print(f"dollars in the second half of {arguments.days} days, mean of {arguments.seeds} seeds and its 95% interval")
    print(f"{'rewards':24}{'spend wasted':>18}{'return':>18}")
    for arm in ARMS:
        print(f"{arm:24}{interval(wasted[arm]):>18}{interval(returns[arm]):>18}")
    # All agents get the same customers, so differences are taken seed by seed.
    for arm in ARMS[1:]:
        less, more = ([a - b for a, b in zip(sums[arm], sums[ARMS[0]], strict=True)] for sums in (wasted, returns))
        print(f"{arm + ', difference':24}{interval(less):>18}{interval(more):>18}")
    if arguments.plot is not None:
        plot(outcomes, arguments.days, arguments.plot)


if __name__ == "__main__":
    main()
