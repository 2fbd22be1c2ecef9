"""Credit: shares of a reward by action."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from training_orchestrator.api.configuration import ConfigurationError
from training_orchestrator.rewards.credit import TouchedBy, credit

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def touched(*actions):
    """Touchpoints of one action each, seven days apart."""
    return [TouchedBy(BEGIN + timedelta(days=7 * number), action) for number, action in enumerate(actions)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("last_touch", {"c": -700}),
        ("linear", {"a": -233, "b": -233, "c": -234}),
        ("time_decay", {"a": -100, "b": -200, "c": -400}),
    ],
)
def test_a_reward_is_shared_by_the_rule(rule, expected):
    """Three touchpoints a half-life apart, in any order; one without an action earns nothing."""
    touches = [*reversed(touched("a", "b", "c")), TouchedBy(BEGIN + timedelta(days=90), None)]
    assert credit(-700, touches, rule) == expected


def test_an_action_with_several_touchpoints_gets_their_sum():
    """By its id, not by its touchpoints."""
    assert credit(900, touched("a", "b", "a"), "linear") == {"a": 600, "b": 300}


def test_without_actions_nobody_earns():
    """Nothing is invented."""
    assert credit(-700, [], "linear") == {}
    assert credit(-700, touched(None, None)) == {}


@given(
    total=some.integers(-(10**13), 10**13),
    days=some.lists(some.integers(0, 1000), min_size=1, max_size=30),
    rule=some.sampled_from(["last_touch", "linear", "time_decay"]),
)
def test_shares_add_up_to_the_micro(total, days, rule):
    """Whatever is shared, and no share has the other sign."""
    touches = [TouchedBy(BEGIN + timedelta(days=day), f"a-{number}") for number, day in enumerate(days)]
    shares = credit(total, touches, rule)
    assert sum(shares.values()) == total
    assert all(share * total > 0 for share in shares.values())


def test_what_means_nothing_is_refused():
    """Field and value are named."""
    with pytest.raises(ConfigurationError, match="rule: 'first'"):
        credit(1, touched("a"), "first")
    with pytest.raises(ConfigurationError, match="half_life_days: 0"):
        credit(1, touched("a"), "time_decay", 0)
