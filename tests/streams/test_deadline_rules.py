"""Rules of a policy that give other durations: what a file may say, and what its JSON is."""

import pytest

from journeys.cli.views.policy_text import policy_differences, policy_toml
from journeys.streams.rule.policy import DEFAULT_POLICY, InvalidPolicyError, policy_from_json, policy_from_toml

WHOLE = """version = "rules-1"
[[deadlines.by]]
name = "about to buy"
state = ["CONSIDERING", "INTENT"]
segment = "b2b"
touchpoints_from = 1
touchpoints_to = 3
inactivity_hours = 24.5
timeout_days = 7
[[deadlines.by]]
name = "all others"
timeout_days = 30
"""


def of(text):
    """Policy with one rule, of lines of TOML."""
    return policy_from_toml('version = "one"\n[[deadlines.by]]\n' + text)


def test_rules_are_read_and_written():
    """A policy's TOML and its JSON give the same policy again."""
    policy = policy_from_toml(WHOLE)
    first, second = policy.deadline_rules
    assert (first.inactivity_ms, first.timeout_ms, first.segment) == (88_200_000, 604_800_000, ("b2b",))
    assert (second.inactivity_ms, second.timeout_ms) == (None, 2_592_000_000)
    assert policy_from_toml(policy_toml(policy)) == policy
    assert policy_from_json(policy.to_json()) == policy
    assert ("deadlines.by.2.timeout_days", "none", "30") in policy_differences(DEFAULT_POLICY, policy)


def test_without_rules_a_policy_has_the_json_of_before():
    """So that logs and tables know it as the same."""
    assert '"by"' not in DEFAULT_POLICY.to_json()
    assert policy_from_toml(policy_toml(DEFAULT_POLICY)) == DEFAULT_POLICY


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("timeout_days = 1", "deadlines.by.0.name: field required"),
        ('name = ""\ntimeout_days = 1', "deadlines.by.0.name: '' string should have at least 1 character"),
        ('name = "a"', "deadlines.by 'a': neither inactivity_hours nor timeout_days; expected at least one of them"),
        ('name = "a"\ntimeout_days = 0', "deadlines.by.0.timeout_days: '0' input should be greater than 0"),
        ('name = "a"\ninactivity_hours = 1e-9', "deadlines.by 'a': inactivity_hours: 1E-9 is less than a millisecond"),
        ('name = "a"\ntimeout_days = 1\nstate = "CONVERTED"', "'CONVERTED' ends an episode"),
        (
            'name = "a"\ntimeout_days = 1\nstate = ["KEEN"]',
            "'KEEN', expected one of UNAWARE, AWARE, CONSIDERING, INTENT",
        ),
        ('name = "a"\ntimeout_days = 1\nstate = []', "deadlines.by.0.state:"),
        ('name = "a"\ntimeout_days = 1\nsegment = [""]', "deadlines.by.0.segment.0: '' string should have at least 1"),
        (f'name = "a"\ntimeout_days = 1\nsegment = "{"s" * 201}"', "deadlines.by.0.segment.0:"),
        ('name = "a"\ntimeout_days = 1\ntouchpoints_from = -1', "deadlines.by.0.touchpoints_from: '-1'"),
        ('name = "a"\ntimeout_days = 1\ntouchpoints_from = 1.5', "deadlines.by.0.touchpoints_from: '1.5'"),
        (
            'name = "a"\ntimeout_days = 1\ntouchpoints_from = 3\ntouchpoints_to = 2',
            "touchpoints_from: 3 is above touchpoints_to, 2: it can never hold",
        ),
        ('name = "a"\ntimeout_days = 1\nchannel = "x"', "deadlines.by.0.channel: no such key; expected one of name, "),
        (
            'name = "a"\ntimeout_days = 1\n[[deadlines.by]]\nname = "a"\ntimeout_days = 2',
            "deadlines.by: the name 'a' is given 2 times; expected once",
        ),
    ],
)
def test_an_error_names_the_rule_the_key_and_what_would_be_right(text, error):
    """One line each."""
    with pytest.raises(InvalidPolicyError) as caught:
        of(text)
    assert error in str(caught.value)
    assert "\n" not in str(caught.value)


def test_there_may_be_a_hundred():
    """And no more: each touchpoint may look at all of them."""
    rules = [f'[[deadlines.by]]\nname = "{number}"\ntimeout_days = 1\n' for number in range(101)]
    assert len(policy_from_toml('version = "many"\n' + "".join(rules[:100])).deadline_rules) == 100
    with pytest.raises(InvalidPolicyError, match=r"deadlines.by: .*at most 100"):
        policy_from_toml('version = "many"\n' + "".join(rules))
