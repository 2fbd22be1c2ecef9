"""Survival of silences, next to lifelines and scikit-survival."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from lifelines import KaplanMeierFitter
from sksurv.nonparametric import cumulative_incidence_competing_risks

from journeys.analytics.survival import Share, kaplan_meier

SILENCES = st.integers(2, 60).flatmap(
    lambda count: st.tuples(
        arrays(np.int64, count, elements=st.integers(1, 30)), arrays(np.int8, count, elements=st.integers(0, 2))
    )
)
OLDEST = 31


@given(SILENCES, st.integers(1, OLDEST))
def test_the_share_and_its_interval_are_those_of_lifelines(silences, age) -> None:
    """Greenwood's variance on the scale log(-log), which lifelines calls exponential Greenwood."""
    ages, kinds = silences
    happened = kinds == 1
    share = kaplan_meier(ages, happened).share_by(age)
    if share is None:
        assert ages.max() < age
        return
    fitted = KaplanMeierFitter().fit(ages, happened)
    # Ages are whole: what happened before `age` has happened by half a unit earlier.
    left = float(fitted.survival_function_at_times(age - 0.5).iloc[0])
    assert share.value == pytest.approx(1 - left, abs=1e-9)
    if 1e-9 < share.value < 1 - 1e-9:
        row = fitted.confidence_interval_.loc[: age - 0.5].iloc[-1]
        assert share.low == pytest.approx(1 - row.iloc[1], abs=1e-9)
        assert share.high == pytest.approx(1 - row.iloc[0], abs=1e-9)


@given(SILENCES, st.integers(2, OLDEST))
def test_the_incidence_beside_competing_ends_is_that_of_scikit_survival(silences, age) -> None:
    """Aalen and Johansen's estimate with the variance of Dinse and Larson.

    Theirs is the scale log(-log) of the incidence, ours that of what is left, as without competing ends: the deviation
    is taken out of their interval.
    """
    # One is open beyond all others: where none is left, theirs divides 0 by 0.
    ages, kinds = np.append(silences[0], OLDEST), np.append(silences[1], 0)
    if not (kinds == 1).any() or not (kinds == 2).any():
        return
    share = kaplan_meier(ages, kinds == 1, kinds == 2).share_by(age)
    assert share is not None
    with np.errstate(all="ignore"):
        times, incidence, interval = cumulative_incidence_competing_risks(
            kinds.astype(int), ages, conf_type="log-log", var_type="Dinse_Approx"
        )
    place = np.searchsorted(times, age) - 1
    if place < 0:
        assert share.value == 0
        return
    assert share.value == pytest.approx(incidence[1][place], abs=1e-9)
    bound = interval[1][0][place]
    if 1e-9 < share.value < 1 - 1e-9 and 0 < bound < 1:
        value, left = share.value, 1 - share.value
        deviation = abs(np.log(np.log(bound) / np.log(value)) * value * np.log(value))  # times the quantile
        spread = np.exp(deviation / abs(left * np.log(left)))
        assert (share.low, share.high) == pytest.approx((1 - left ** (1 / spread), 1 - left**spread), abs=1e-6)


@given(SILENCES, st.integers(1, 15), st.integers(1, 15))
def test_a_later_beginning_is_the_curve_of_those_still_open_then(silences, since, further) -> None:
    """The share from an age on looks at those alone who reached it."""
    ages, kinds = silences
    curve = kaplan_meier(ages, kinds == 1)
    share = curve.share_by(since + further, since=since)
    reached = ages >= since
    if share is None:
        assert not reached.any() or ages.max() < since + further
        return
    later = kaplan_meier(ages[reached] - since, kinds[reached] == 1).share_by(further)
    assert later is not None
    assert tuple(share) == pytest.approx(tuple(later), abs=1e-9)


def test_what_happens_goes_before_what_is_censored_at_one_age() -> None:
    """Two at age 5, one of them ended: it counts among two. "By 5" does not hold it, "by 6" does."""
    curve = kaplan_meier(np.array([5, 5, 9]), np.array([True, False, False]))
    assert curve.share_by(5) == Share(0.0, 0.0, 1 - 0.025 ** (1 / 3))
    share = curve.share_by(6)
    assert share is not None
    assert share.value == pytest.approx(1 / 3)


def test_a_share_is_not_told_beyond_what_was_watched() -> None:
    """The oldest open silence is of age 9: nobody knows of 10. Where nobody is left, it is known for ever."""
    curve = kaplan_meier(np.array([5, 9]), np.array([True, False]))
    assert curve.share_by(9) is not None
    assert curve.share_by(10) is None
    assert kaplan_meier(np.array([5, 9]), np.array([True, True])).share_by(100) == Share(1, 0.025**0.5, 1)
    assert kaplan_meier(np.array([], int), np.array([], bool)).share_by(1) is None


def test_all_or_none_has_an_interval_that_is_not_a_point() -> None:
    """None of 20 came back: up to 17% may, by the exact binomial interval (its two-sided 95%)."""
    share = kaplan_meier(np.full(20, 30), np.zeros(20, bool)).share_by(30)
    assert share is not None
    assert tuple(share) == pytest.approx((0, 0, 0.1684), abs=1e-4)
