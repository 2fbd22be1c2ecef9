"""Survival of silences: what share has ended by an age, where some are still open (Kaplan and Meier 1958).

Ages are whole numbers of any one unit, the project's is ms. A silence that was still open when the data ended is
censored: it counts among those at risk up to its age, and says nothing of what came later. At one age what happened
goes before what was censored. "By age H" means before H: [0, H).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

Array: TypeAlias = "np.ndarray[Any, Any]"

_TAIL: Final = 0.025
_Z: Final = 1.959963984540054  # the normal distribution's quantile at 1 - _TAIL


class Share(NamedTuple):
    """A share between 0 and 1 with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SurvivalCurve:
    """What is left at each age.

    Arrays have one element for each distinct age at which something happened, ascending. `at_risk` are those not yet
    ended or censored there, `events` and `competing` those that ended there, `left` the share that is still open after
    it. `all_ages` are those of all silences, ascending.
    """

    ages: Array
    at_risk: Array
    events: Array
    competing: Array
    left: Array
    all_ages: Array

    def reaching(self, age: int) -> int:
        """Number of silences that are known to have reached an age, ended there or not."""
        return len(self.all_ages) - int(np.searchsorted(self.all_ages, age, side="left"))

    def left_before(self, age: int) -> float:
        """Share still open just before an age, so P(silence >= age): of those that reach the age, all are counted."""
        place = int(np.searchsorted(self.ages, age, side="left"))
        return float(self.left[place - 1]) if place else 1.0

    def is_known(self, age: int) -> bool:
        """Whether somebody was watched up to the age, or nobody is left before it."""
        return len(self.all_ages) > 0 and (self.reaching(age) > 0 or self.left_before(age) == 0)

    def share_by(self, age: int, *, since: int = 0) -> Share | None:
        """Share of those still open at `since` for which the event happens by `age`: in [since, age).

        The interval is Greenwood's, on the scale log(-log) (Kalbfleisch and Prentice), so within 0 and 1. Where all or
        none have the event it is the exact binomial one, of those who had it or who reached `age`. None where that is
        not known yet: nobody was watched for so long.
        """
        if not self.is_known(age) or self.left_before(since) == 0:
            return None
        begin, end = (int(np.searchsorted(self.ages, one, side="left")) for one in (since, age))
        at_risk, events, competing = (
            one[begin:end].astype(float) for one in (self.at_risk, self.events, self.competing)
        )
        ended = events + competing
        with np.errstate(divide="ignore", invalid="ignore"):
            left = np.cumprod(1 - ended / at_risk)
            before = np.concatenate([[1.0], left[:-1]])[: len(left)]
            steps = before * events / at_risk
            if competing.any():
                reached = np.cumsum(steps)
                value = float(reached[-1])
                deviation = np.sqrt(_incidence_variance(at_risk, events, ended, before, value - reached))
            else:
                value = 1 - float(left[-1]) if len(left) else 0.0
                deviation = (1 - value) * np.sqrt(np.sum(events / (at_risk * (at_risk - events))))
        if value <= 0:
            return Share(0.0, 0.0, 1 - _TAIL ** (1 / max(self.reaching(age), 1)))
        if value >= 1:
            return Share(1.0, _TAIL ** (1 / float(events.sum())), 1.0)
        return _interval(value, float(deviation))


def kaplan_meier(ages: Array, happened: Array, competing: Array | None = None) -> SurvivalCurve:
    """Curve of silences by age (integers): `happened` where the event ended one, else it was still open (censored).

    `competing` where something else ended it, after which the event can't come: shares are then Aalen and Johansen's
    cumulative incidences, which do not count those as still waiting.
    """
    ages = np.asarray(ages, np.int64)
    events = np.asarray(happened, bool)
    others = np.zeros(len(ages), bool) if competing is None else np.asarray(competing, bool)
    order = np.argsort(ages, kind="stable")
    distinct, first = np.unique(ages[order], return_index=True)
    at_risk = len(ages) - first
    if len(ages):
        event_counts, other_counts = (np.add.reduceat(one[order], first, dtype=np.int64) for one in (events, others))
    else:
        event_counts = other_counts = at_risk
    kept = (event_counts + other_counts) > 0
    at_risk, event_counts, other_counts = at_risk[kept], event_counts[kept], other_counts[kept]
    left = np.cumprod(1 - (event_counts + other_counts) / at_risk)
    return SurvivalCurve(distinct[kept], at_risk, event_counts, other_counts, left, ages[order])


def _incidence_variance(at_risk: Array, events: Array, ended: Array, before: Array, ahead: Array) -> float:
    """Variance of a cumulative incidence by the delta method (Dinse and Larson 1986, equation 6).

    `ahead` is what the incidence still grows after each age.
    """
    terms = (
        np.nan_to_num(ahead**2 * ended / (at_risk * (at_risk - ended)), posinf=0.0)
        + before**2 * (at_risk - events) / at_risk * events / at_risk**2
        - 2 * ahead * before * events / at_risk**2
    )
    return max(float(np.sum(terms)), 0.0)


def _interval(value: float, deviation: float) -> Share:
    left = 1 - value
    spread = np.exp(_Z * deviation / (left * abs(np.log(left))))
    return Share(value, float(1 - left ** (1 / spread)), float(1 - left**spread))
