"""The naive penalty against amounts worked out by hand from docs/penalty.md."""

from __future__ import annotations

import pytest

from .line import DAY, HOUR, instant, micros
from .penalty import abandonment_id
from .written import run_out as run

T0 = 1_760_000_000_000


def test_abandonment_id_is_the_example_of_the_design():
    """BLAKE2b-128 over journey_id, a zero byte and started_at in 8 bytes."""
    assert abandonment_id("journey-123", 1_760_000_000_000) == "6fa6c66f370999288c04a1bd35404269"


@pytest.mark.parametrize(
    ("spend", "state", "reason", "days", "probability", "value", "amounts"),
    [
        (25, "AWARE", "TIMEOUT", 5, 0.05, 90, (5_882_800, 1_125_000, 7_007_800)),
        (150, "INTENT", "COMPETITOR_CONVERSION", 7, 0.5, 90, (168_923_376, 11_250_000, 180_173_376)),
        (75, "CONSIDERING", "BUDGET_EXHAUSTED", 14, 0.3, 225, (27_963_571, 16_875_000, 44_838_571)),
    ],
)
def test_golden_penalties(spend, state, reason, days, probability, value, amounts):
    """The three golden vectors, each by a log that ends in its reason after its days."""
    first = {"journey_id": "j", "touchpoint_id": "t", "occurred_at": T0, "state": state, "cost": spend}
    lines = [{**first, "conversion_probability": probability, "conversion_value": value}]
    if reason != "TIMEOUT":
        lines.append({"kind": "signal", "journey_id": "j", "signal": reason.lower(), "occurred_at": T0 + days * DAY})
    timeout = days * DAY if reason == "TIMEOUT" else 30 * DAY
    (a,) = run(lines, policy={"timeout_ms": timeout, "inactivity_ms": 40 * DAY}).abandonments
    assert (a["abandonment_reason"], a["state"], a["days_active"]) == (reason, state, days)
    assert (a["penalty_amount_micros"], a["opportunity_cost_micros"], a["total_penalty_micros"]) == amounts
    assert a["formula_version"] == 1


def test_every_component_is_published():
    """Weight, time factor, multiplier and what the touchpoints last gave, beside the amounts."""
    touchpoint = {"journey_id": "j", "user_id": "u", "touchpoint_id": "t", "occurred_at": T0, "cost": "25"}
    rides = {"action_id": "a", "policy_version": "bids-7", "propensity": 0.25}
    (a,) = run([{**touchpoint, **rides, "state": "AWARE"}], policy={"version": "p1"}).abandonments
    assert (a["state_weight"], a["reason_multiplier"]) == (0.2, 0.8)
    assert a["time_factor"] == pytest.approx(1 - 0.8**3)
    assert (a["action_id"], a["touchpoint_policy_version"], a["propensity"]) == ("a", "bids-7", 0.25)
    assert (a["policy_version"], a["user_id"], a["terminated"], a["truncated"]) == ("p1", "u", False, True)


@pytest.mark.parametrize(("cost", "penalty"), [(10, 0), (30, 2), (50, 2), (70, 4)])
def test_rounding_is_half_even(cost, penalty):
    """UNAWARE for one day by TIMEOUT costs a twentieth of the spend: 0.5, 1.5, 2.5 and 3.5 micros."""
    lines = [{"journey_id": "j", "touchpoint_id": "t", "occurred_at": T0, "cost_micros": cost}]
    (a,) = run(lines, policy={"timeout_ms": DAY}).abandonments
    assert a["penalty_amount_micros"] == penalty


@pytest.mark.parametrize(
    ("state", "opportunity"),
    [(None, 250_000), ("AWARE", 1_250_000), ("CONSIDERING", 7_500_000), ("INTENT", 12_500_000)],
)
def test_probability_and_value_have_defaults_by_state(state, opportunity):
    """A quarter of .01, .05, .3 or .5 of 100 dollars."""
    lines = [{"journey_id": "j", "touchpoint_id": "t", "occurred_at": T0, "cost": 0, "state": state}]
    (a,) = run(lines).abandonments
    assert (a["opportunity_cost_micros"], a["penalty_amount_micros"]) == (opportunity, 0)
    assert a["conversion_value_micros"] == 100_000_000


def test_a_value_that_was_given_keeps_the_other_default():
    """Probability and value are defaulted separately."""
    lines = [{"journey_id": "j", "touchpoint_id": "t", "occurred_at": T0, "cost": 0, "conversion_value": 40}]
    (a,) = run(lines).abandonments
    assert (a["conversion_probability"], a["conversion_value_micros"]) == (0.01, 40_000_000)
    assert a["opportunity_cost_micros"] == 100_000


def test_days_are_floored_and_at_least_one():
    """An hour counts as one day, 47 hours as one, 48 as two."""
    days = []
    for hours in (1, 47, 48):
        first = {"journey_id": "j", "touchpoint_id": "t", "occurred_at": T0, "cost": 1}
        order = {"kind": "command", "command": "abandon", "journey_id": "j", "occurred_at": T0 + hours * HOUR}
        days += [a["days_active"] for a in run([first, order]).abandonments]
    assert days == [1, 1, 2]


def test_instants_and_money_as_written():
    """RFC 3339 with any zone is floored to milliseconds; money is exact, with 6 decimals at most."""
    assert instant("2025-10-09T08:53:20Z") == T0
    assert instant("2025-10-09T14:23:20.000999+05:30") == T0
    assert (micros("0.000001"), micros(0.1), micros(12)) == (1, 100_000, 12_000_000)
    with pytest.raises(ValueError, match="more than 6 decimals"):
        micros("0.0000001")
