"""Does an agent bid better when journeys that just stop are accounted for? Ten seeds, three agents, one market.

    python examples/learning_example.py [--seeds 10] [--days 90] [--plot FILE.svg]

Each agent bids for the same simulated customers (learning_market.py). It learns the value of a bid level for what it
sees of a customer, by a running mean of rewards with some exploration. They differ only in what they are told:

    conversions   value minus spend of journeys that convert; one that stops is never heard of again
    abandonments  the same, and the penalty of each abandonment, by JourneyRewards from an AbandonmentFeed
    own spend     conversions, and its own spend at the end of each journey, whatever came of it: the honest rival

Everything goes through a manager and its feed, in simulated time: three months take some seconds.
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

from training_orchestrator import AbandonmentFeed, FeedItem, JourneyRewards

EXPLORES = 0.1
ARMS = ("conversions", "abandonments", "own spend")
# Two-sided 95% of Student's t, by the number of seeds.
STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26, 20: 2.09}


@dataclass
class Agent:
    """Bids by what it has learned: a mean reward for each kind of customer and bid level."""

    chance: random.Random
    sums: dict[tuple[int, int], float] = field(default_factory=lambda: defaultdict(float))
    counts: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))

    def bid(self, kind: int) -> int:
        """Choose a bid level; what was never tried comes first."""
        levels = range(len(BIDS))
        if self.chance.random() < EXPLORES:
            return self.chance.choice(levels)
        return max(levels, key=lambda level: self.value(kind, level))

    def value(self, kind: int, level: int) -> float:
        """Mean reward of a bid level."""
        count = self.counts[kind, level]
        return self.sums[kind, level] / count if count else float("inf")

    def learn(self, decision: tuple[int, int], reward: float, journeys: int = 1) -> None:
        """Take a reward for a decision; a correction is no journey more."""
        self.sums[decision] += reward
        self.counts[decision] += journeys


class Outcome:
    """What one run came to, in dollars by the day on which a journey began."""

    def __init__(self, days: int) -> None:
        self.wasted = [0.0] * days
        """Spend on journeys that ended abandoned."""
        self.gained = [0.0] * days
        """Value of conversions minus all spend."""


@dataclass
class Learner:
    """An agent at work in a market. Its decisions are kept by action: a penalty comes days later, and names it."""

    arm: str
    agent: Agent
    env: JourneyRewards[int, int]
    market: MarketEnv
    outcome: Outcome
    decisions: dict[str, tuple[int, int]] = field(default_factory=dict)
    began: dict[str, int] = field(default_factory=dict)

    def bid_for_a_day(self) -> None:
        """Meet the customers of a day, and learn what is known at once."""
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

    def hear(self, items: list[FeedItem]) -> None:
        """Take what the feed gives: each penalty goes to the decision that earned it."""
        for item in items:
            if item.kind == "abandonment":
                self.outcome.wasted[self.began[item.journey_id]] += item.total_cost
        for late in self.env.credit(items):
            if self.arm == "abandonments":
                self.agent.learn(self.decisions[late.action_id], late.reward, late.because == "abandonment")


def run(arm: str, seed: int, days: int, folder: Path) -> Outcome:
    """Let one agent bid."""
    store = folder / f"{arm}-{seed}.sqlite3"
    market = MarketEnv(store, seed)
    env = JourneyRewards(market, now=lambda: moment(market.at))
    learner = Learner(arm, Agent(random.Random(seed + 1000)), env, market, Outcome(days))
    checkpoint: bytes | str = "earliest"
    for day in range(days + 4):  # four more, so that the last journeys end, too
        if day < days:
            learner.bid_for_a_day()
        market.end_day()
        # Opened once a day and read to its end, so that every run hears of the same on the same day.
        with AbandonmentFeed.from_store(store, start=checkpoint, follow=False) as feed:
            for batch in feed.batches():
                learner.hear(batch)
            checkpoint = feed.checkpoint()
    env.close()
    return learner.outcome


def half_width(values: list[float]) -> float:
    """Half of the mean's 95% confidence interval over seeds."""
    return STUDENT.get(len(values), 2.0) * stdev(values) / sqrt(len(values))


def interval(values: list[float]) -> str:
    """Mean with its interval."""
    return f"{mean(values):8.0f} ± {half_width(values):.0f}"


def plot(found: dict[str, list[Outcome]], days: int, path: Path) -> None:
    """Draw what has come together day by day, mean and interval; readable on white and on black."""
    import matplotlib as mpl  # noqa: PLC0415  (only the plot needs it)
    from matplotlib import pyplot  # noqa: PLC0415  (as above)

    grey = "#808890"
    mpl.use("svg")
    mpl.rcParams.update(dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), grey))
    mpl.rcParams.update({"xtick.color": grey, "ytick.color": grey, "svg.hashsalt": "journeys", "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axis, name, title in zip(axes, ("wasted", "gained"), ("spend wasted", "return"), strict=True):
        for arm, colour in zip(ARMS, ("#c46a3b", "#3b82c4", "#4f9d69"), strict=True):
            sums = [[sum(getattr(each, name)[: day + 1]) for each in found[arm]] for day in range(days)]
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
    """Run all agents on all seeds and print what came of it."""
    parser = argparse.ArgumentParser(description="Does an agent bid better when journeys that stop are accounted for?")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="Also draw what came of it.")
    asked = parser.parse_args()
    if asked.seeds < 2 or asked.days < 2:
        parser.error("--seeds and --days: at least 2 of each, for an interval over seeds and a second half of days")
    with tempfile.TemporaryDirectory() as folder:
        found = {arm: [run(arm, seed, asked.days, Path(folder)) for seed in range(asked.seeds)] for arm in ARMS}
    half = (asked.days + 1) // 2  # of the first half little was learned
    wasted = {arm: [sum(each.wasted[half:]) for each in outcomes] for arm, outcomes in found.items()}
    returns = {arm: [sum(each.gained[half:]) for each in outcomes] for arm, outcomes in found.items()}
    print(f"dollars in the second half of {asked.days} days, mean of {asked.seeds} seeds and its 95% interval")
    print(f"{'told of':24}{'spend wasted':>18}{'return':>18}")
    for arm in ARMS:
        print(f"{arm:24}{interval(wasted[arm]):>18}{interval(returns[arm]):>18}")
    # The same customers come to all agents, so that differences are looked at seed by seed.
    for arm in ARMS[1:]:
        less, more = ([a - b for a, b in zip(sums[arm], sums[ARMS[0]], strict=True)] for sums in (wasted, returns))
        print(f"{arm + ', difference':24}{interval(less):>18}{interval(more):>18}")
    if asked.plot is not None:
        plot(found, asked.days, asked.plot)


if __name__ == "__main__":
    main()
