"""Costs of thresholds, and promises: next to plain sums, scipy and simulated journeys."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from journeys.analytics.promise import binomial_tail, promise
from journeys.analytics.silences import OPEN, RETURNED, Silences
from journeys.analytics.thresholds import (
    counts_by_cell,
    expected_costs,
    hazards_of,
    realised_costs,
    threshold_grid,
)
from journeys.schemas.instants import DAY_MS

HORIZON = 30 * DAY_MS


def silences(journey, begin, age, came_back, end_at) -> Silences:
    """Silences of one segment."""
    rows = len(age)
    nothing = np.zeros(rows, np.int64)
    return Silences(
        journey=np.asarray(journey),
        begin=np.asarray(begin),
        age=np.asarray(age),
        gap=nothing - 1,
        ending=np.where(came_back, RETURNED, OPEN).astype(np.uint8),
        added=nothing + 1,
        state=nothing.astype(np.uint8),
        segment=nothing - 1,
        is_silence=np.ones(rows, bool),
        segments=(),
        end_at=end_at,
    )


@given(st.lists(st.integers(1, 60), min_size=5, max_size=50), st.integers(1, 200))
def test_expected_costs_are_the_mean_of_what_a_silence_costs(days, price) -> None:
    """All silences were watched for the horizon: at each point of the grid the estimate is the mean, but for rounding.

    Waiting within an interval is taken as if silences ended halfway through it.
    """
    grid = threshold_grid(HORIZON)
    age = np.array(days) * DAY_MS
    own = silences(range(len(age)), age * 0, age, age < 60 * DAY_MS, 100 * DAY_MS)
    counts = counts_by_cell(own, np.zeros(len(age), np.int64), 1, grid)
    costs = expected_costs(hazards_of(counts.sum(0)), grid, price * DAY_MS)
    widths = np.diff(np.append(0, grid))
    for place in range(0, len(grid), 7):
        exact = realised_costs(age, own.came_back, int(grid[place]), HORIZON, price * DAY_MS).mean()
        assert costs[place] == pytest.approx(exact, abs=widths[: place + 1].max() + DAY_MS / 24)


@given(st.integers(0, 400), st.integers(1, 400), st.floats(0.01, 0.99))
def test_the_binomial_tail_is_that_of_scipy(most, count, probability) -> None:
    """P(X <= most)."""
    assert binomial_tail(most, count, probability) == pytest.approx(stats.binom.cdf(most, count, probability), abs=1e-9)


def test_promises_are_broken_no_more_often_than_said() -> None:
    """500 times 300 journeys whose silences are longer in some than in others; what is promised is the truth's to keep.

    Of journeys with return rates of their own, more than 20% of the silences come back within the horizon behind most
    thresholds: a promise of 20% with 90% confidence may be broken in 10% of the runs.
    """
    random = np.random.default_rng(1)
    grid = threshold_grid(HORIZON)[::10]
    journeys, each = 300, 3
    broken = made = 0
    truth = _true_shares(random, grid)
    for _ in range(500):
        age, came_back = _drawn(random, journeys * each)
        own = silences(np.repeat(np.arange(journeys), each), age * 0, age, came_back, 2_000 * DAY_MS)
        kept = promise(own, grid, HORIZON, wrong_at_most=0.2, error=0.1).kept
        if kept is not None:
            made += 1
            broken += truth[int(np.searchsorted(grid, kept.threshold_ms))] > 0.2
    assert made > 100  # else it shows nothing
    assert broken <= stats.binom.ppf(0.9999, 500, 0.1)


def _drawn(random, count):
    """Silences, of which a part never ends."""
    age = (random.weibull(0.5, count) * 5 * DAY_MS).astype(np.int64) + 1
    came_back = random.random(count) < 0.6
    return np.where(came_back, age, 2_000 * DAY_MS), came_back


def _true_shares(random, grid):
    age, came_back = _drawn(random, 1_000_000)
    reached = [age >= one for one in grid]
    return [
        (came_back & held & (age < one + HORIZON)).sum() / held.sum() for one, held in zip(grid, reached, strict=True)
    ]


def test_a_promise_needs_sixty_journeys() -> None:
    """Of 59 all stayed away: that could not be told from 5%."""
    for journeys, is_kept in ((59, False), (60, True)):
        age = np.full(journeys, 200 * DAY_MS)
        own = silences(range(journeys), age * 0, age, age < 0, 200 * DAY_MS)
        found = promise(own, threshold_grid(HORIZON), HORIZON, wrong_at_most=0.05, error=0.05)
        assert (found.kept is not None) is is_kept


def test_a_journey_that_returns_often_does_not_hide_behind_those_that_never_do() -> None:
    """One silence of each journey says 9%, all silences say 79%: no promise of 20%."""
    quiet, busy = 100, 10
    journey = np.concatenate([np.arange(quiet), np.repeat(quiet + np.arange(busy), 40)])
    age = np.where(journey < quiet, 300 * DAY_MS, 20 * DAY_MS)
    own = silences(journey, age * 0, age, journey >= quiet, 300 * DAY_MS)
    tested = promise(own, np.array([DAY_MS]), HORIZON, wrong_at_most=0.2, error=0.05)
    assert tested.kept is None
