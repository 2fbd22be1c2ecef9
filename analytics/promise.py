"""A threshold with a promise: at most so large a share comes back within the horizon, with a confidence.

Learn then test (Angelopoulos and others 2021): thresholds of a fixed grid are tested from the most patient to the
hastiest, each by the binomial tail on one silence of each journey, drawn without looking at how it ended, so that they
are independent. Of all its silences, too, no larger share may have come back: a journey with many of them comes back
more often. The last threshold before the first that fails is promised. It holds as long as later journeys of the
segment are like those that were seen; so a segment says how many touchpoints there were: pooled over them a promise
breaks as soon as the mix of journeys changes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from journeys.analytics.silences import Silences
from journeys.analytics.survival import Array

# Fewer say nothing: of 59 all must stay away, for 5% to be promised at 95%.
FEWEST_JOURNEYS: Final = 60


class Trial(NamedTuple):
    """Of `journeys` silences that reached a threshold, `wrong` ended within the horizon after it."""

    threshold_ms: int
    journeys: int
    wrong: int

    @property
    def share(self) -> float:
        """Share that came back."""
        return self.wrong / self.journeys if self.journeys else 0.0


class Promise(NamedTuple):
    """What the tests of a segment came to: the last that passed, and the first that did not."""

    kept: Trial | None
    failed: Trial | None


def promise(silences: Silences, grid: Array, horizon_ms: int, *, wrong_at_most: float, error: float) -> Promise:
    """Test the thresholds of a grid (ascending, ms) on the silences of one segment.

    `error` is the probability with which the promise may be broken, 1 - confidence. Thresholds that fewer than 60
    journeys reached are passed over as long as none was tested: that depends on how many there are, not on how they
    ended.
    """
    order = np.lexsort((_drawn(silences), silences.journey))
    rows = silences.of(order)
    came_back = rows.came_back
    kept: Trial | None = None
    failed: Trial | None = None
    for threshold in grid[::-1]:
        reached = np.flatnonzero((rows.age >= threshold) & (rows.begin + threshold + horizon_ms <= rows.end_at))
        one_each = reached[np.append(True, rows.journey[reached][1:] != rows.journey[reached][:-1])[: len(reached)]]
        is_wrong = came_back & (rows.age < threshold + horizon_ms)
        wrong = int(is_wrong[one_each].sum())
        trial = Trial(int(threshold), len(one_each), wrong)
        if trial.journeys < FEWEST_JOURNEYS:
            if kept is not None:
                break
            failed = failed or trial
            continue
        of_all = is_wrong[reached].mean()
        if of_all > wrong_at_most or binomial_tail(trial.wrong, trial.journeys, wrong_at_most) > error:
            failed = trial
            break
        kept, failed = trial, None
    return Promise(kept, failed)


def binomial_tail(most: int, count: int, probability: float) -> float:
    """P(X <= most) of a binomial X."""
    if most >= count:
        return 1.0
    ways = np.arange(1, most + 1)
    logs = np.append(0.0, np.cumsum(np.log(count - ways + 1) - np.log(ways)))
    logs += np.arange(most + 1) * np.log(probability) + (count - np.arange(most + 1)) * np.log1p(-probability)
    return float(np.exp(np.logaddexp.reduce(logs)))


def _drawn(silences: Silences) -> Array:
    """A number for each silence that knows nothing of its end: of those of a journey the least is drawn."""
    mixed = silences.begin.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) ^ silences.journey.astype(np.uint64)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ mixed >> np.uint64(32)
