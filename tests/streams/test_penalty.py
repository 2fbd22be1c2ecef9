"""The penalty: golden amounts, exact rounding, and that more of anything never costs less."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.schemas.instants import DAY_MS
from journeys.schemas.records import REASONS
from journeys.streams.rule.penalty import PenaltyTable, days_active
from journeys.streams.rule.policy import DEFAULT_POLICY, Penalty

CONSTANTS = DEFAULT_POLICY.penalty
STATES = ("UNAWARE", "AWARE", "CONSIDERING", "INTENT")  # by rising weight

costs = st.integers(0, 10**15)
days = st.integers(1, 120)
probabilities = st.floats(0, 1)
values = st.integers(0, 10**15)
weights = st.integers(0, 20_000).map(lambda number: Decimal(number).scaleb(-4))
rates = st.integers(0, 100).map(lambda number: Decimal(number).scaleb(-2))
dollars = st.integers(0, 10**15).map(lambda number: Decimal(number).scaleb(-6))
# Constants of made-up policies.
constants = st.fixed_dictionaries(
    {
        "base_rate": weights,
        "decay": rates,
        "opportunity_rate": weights,
        "default_conversion_value": dollars,
        "state_weight": st.fixed_dictionaries(dict.fromkeys(STATES, weights)),
        "reason_multiplier": st.fixed_dictionaries(dict.fromkeys(REASONS, weights)),
        "default_conversion_probability": st.fixed_dictionaries(dict.fromkeys(STATES, rates)),
    }
).map(Penalty.model_validate)


def penalty(constants=CONSTANTS, **said):
    """Penalty of an episode that is all default but for what is said."""
    given_ = {"total_cost_micros": 0, "state": "AWARE", "reason": "TIMEOUT", "days": 1}
    given_ |= {"conversion_probability": None, "conversion_value_micros": None}
    return PenaltyTable(constants).amount(**(given_ | said))


@pytest.mark.parametrize(
    ("spend", "state", "reason", "days", "probability", "value", "amounts"),
    [
        (25, "AWARE", "TIMEOUT", 5, 0.05, 90, (5_882_800, 1_125_000, 7_007_800)),
        (150, "INTENT", "COMPETITOR_CONVERSION", 7, 0.5, 90, (168_923_376, 11_250_000, 180_173_376)),
        (75, "CONSIDERING", "BUDGET_EXHAUSTED", 14, 0.3, 225, (27_963_571, 16_875_000, 44_838_571)),
    ],
)
def test_golden_amounts(spend, state, reason, days, probability, value, amounts):
    """The amounts that the mission gives (about 7, 180 and 45 dollars), to the micro."""
    found = penalty(
        total_cost_micros=spend * 1_000_000,
        state=state,
        reason=reason,
        days=days,
        conversion_probability=probability,
        conversion_value_micros=value * 1_000_000,
    )
    assert (found.penalty_amount_micros, found.opportunity_cost_micros, found.total_micros) == amounts
    assert found.days_active == days


def test_every_component_is_told():
    """What stands in the published record is what was multiplied."""
    found = penalty(total_cost_micros=10**12, state="INTENT", reason="USER_FATIGUE", days=9)
    assert (found.state_weight, found.reason_multiplier) == (0.8, 0.7)
    assert found.time_factor == pytest.approx(1 - 0.8**9, rel=1e-15)
    product = 10**12 * (0.15 + found.state_weight) * found.time_factor * found.reason_multiplier
    assert found.penalty_amount_micros == pytest.approx(product, rel=1e-14)


@pytest.mark.parametrize(("state", "probability"), [*zip(STATES, (0.01, 0.05, 0.3, 0.5), strict=True)])
def test_probability_and_value_are_defaulted_separately(state, probability):
    """A quarter of the state's probability of 100 dollars; what a touchpoint gave goes before."""
    found = penalty(state=state)
    assert (found.conversion_probability, found.conversion_value_micros) == (probability, 100_000_000)
    assert found.opportunity_cost_micros == round(probability * 25_000_000)
    assert penalty(state=state, conversion_value_micros=8).opportunity_cost_micros == round(probability * 2)
    assert penalty(state=state, conversion_probability=1.0).opportunity_cost_micros == 25_000_000
    assert penalty(state=state, conversion_probability=0.0).opportunity_cost_micros == 0


@pytest.mark.parametrize(
    ("length", "expected"),
    [(0, 1), (1, 1), (DAY_MS, 1), (2 * DAY_MS - 1, 1), (2 * DAY_MS, 2), (90 * DAY_MS, 90)],
)
def test_days_are_floored_and_at_least_one(length, expected):
    """Whole days, of which an episode of a minute has one."""
    assert days_active(1_760_000_000_000, 1_760_000_000_000 + length) == expected


@pytest.mark.parametrize(("cost", "amount"), [(9, 0), (10, 0), (11, 1), (29, 1), (30, 2), (50, 2), (70, 4)])
def test_ties_are_rounded_to_the_even_micro(cost, amount):
    """UNAWARE for a day is a twentieth: 10, 30, 50 and 70 micros are 0.5, 1.5, 2.5 and 3.5."""
    assert penalty(total_cost_micros=cost, state="UNAWARE").penalty_amount_micros == amount


@pytest.mark.parametrize(("value", "amount"), [(2, 0), (6, 2), (10, 2), (14, 4)])
def test_ties_of_the_opportunity_are_rounded_alike(value, amount):
    """A quarter of a certain conversion: 0.5, 1.5, 2.5 and 3.5 micros."""
    found = penalty(conversion_probability=1.0, conversion_value_micros=value)
    assert found.opportunity_cost_micros == amount


@given(
    constants,
    costs,
    st.sampled_from(STATES),
    st.sampled_from(REASONS),
    days,
    st.none() | probabilities,
    st.none() | values,
)
@settings(max_examples=100, deadline=None)
def test_exact_as_fractions(policy, cost, state, reason, days, probability, value):
    """The same amounts as exact fractions give, rounded once, half to even, whatever the policy."""
    found = penalty(
        policy,
        total_cost_micros=cost,
        state=state,
        reason=reason,
        days=days,
        conversion_probability=probability,
        conversion_value_micros=value,
    )
    weight = Fraction(getattr(policy.state_weight, state))
    rate = (Fraction(policy.base_rate) + weight) * (1 - Fraction(policy.decay) ** days)
    assert found.penalty_amount_micros == round(cost * rate * Fraction(getattr(policy.reason_multiplier, reason)))
    # A double stands for its shortest decimal, as people wrote it.
    certain = getattr(policy.default_conversion_probability, state) if probability is None else repr(probability)
    worth = Fraction(policy.default_conversion_value) * 1_000_000 if value is None else value
    assert found.opportunity_cost_micros == round(Fraction(policy.opportunity_rate) * Fraction(certain) * worth)
    assert found.total_micros == found.penalty_amount_micros + found.opportunity_cost_micros


def test_a_probability_is_the_decimal_that_was_written():
    """As doubles, 0.05 is a little more than a twentieth, and 0.3 a little less than three tenths."""
    half = penalty(conversion_probability=0.05, conversion_value_micros=40)
    one_and_a_half = penalty(conversion_probability=0.3, conversion_value_micros=20)
    assert (half.opportunity_cost_micros, one_and_a_half.opportunity_cost_micros) == (0, 2)


def test_a_hair_below_a_tie_is_no_tie():
    """One and a half micros but for a part in 10^39: rounded down, not to the even two."""
    weight = CONSTANTS.state_weight.model_copy(update={"AWARE": Decimal("0.85")})
    multiplier = CONSTANTS.reason_multiplier.model_copy(update={"TIMEOUT": Decimal("0.5")})
    one = CONSTANTS.model_copy(update={"state_weight": weight, "reason_multiplier": multiplier})
    assert penalty(one, total_cost_micros=3, days=400).penalty_amount_micros == 1


def test_a_power_of_more_digits_than_are_kept_is_exact_to_the_micro():
    """A decay of 20 digits over ten years, on the greatest cost."""
    fine = CONSTANTS.model_copy(update={"decay": Decimal("0.99999000000000000001")})
    for length in (1, 90, 3650):
        rate = Fraction(35, 100) * (1 - Fraction(fine.decay) ** length)
        assert penalty(fine, total_cost_micros=10**15, days=length).penalty_amount_micros == round(10**15 * rate)


@given(costs, costs, st.sampled_from(STATES), st.sampled_from(REASONS), days)
@settings(max_examples=80, deadline=None)
def test_more_spend_never_costs_less(one, other, state, reason, days):
    """Monotone in spend."""
    less, more = (
        penalty(total_cost_micros=cost, state=state, reason=reason, days=days) for cost in sorted((one, other))
    )
    assert less.penalty_amount_micros <= more.penalty_amount_micros
    assert less.total_micros <= more.total_micros


@given(costs, st.sampled_from(STATES), st.sampled_from(REASONS), days, days)
@settings(max_examples=80, deadline=None)
def test_more_days_never_cost_less(cost, state, reason, one, other):
    """Monotone in days."""
    less, more = (
        penalty(total_cost_micros=cost, state=state, reason=reason, days=length) for length in sorted((one, other))
    )
    assert less.penalty_amount_micros <= more.penalty_amount_micros
    assert less.total_micros <= more.total_micros


@given(costs, st.sampled_from(REASONS), days, probabilities, values)
@settings(max_examples=80, deadline=None)
def test_a_heavier_state_never_costs_less(cost, reason, days, probability, value):
    """Monotone in state weight, with probability and value given and with the defaults."""
    said = {"total_cost_micros": cost, "reason": reason, "days": days}
    worth = {"conversion_probability": probability, "conversion_value_micros": value}
    for more_said in ({}, worth):
        found = [penalty(state=state, **said, **more_said) for state in STATES]
        assert [one.penalty_amount_micros for one in found] == sorted(one.penalty_amount_micros for one in found)
        assert [one.total_micros for one in found] == sorted(one.total_micros for one in found)


def test_a_dollar_more_in_each_direction_costs_more():
    """Not only never less: spend, a day, a state, each by one step."""
    base = penalty(total_cost_micros=10_000_000, days=5).penalty_amount_micros
    assert penalty(total_cost_micros=11_000_000, days=5).penalty_amount_micros > base
    assert penalty(total_cost_micros=10_000_000, days=6).penalty_amount_micros > base
    assert penalty(total_cost_micros=10_000_000, days=5, state="CONSIDERING").penalty_amount_micros > base
