"""A policy for people: text that could be loaded again, and what it has otherwise."""

import pytest

from journeys.cli.views.policy_text import policy_differences, policy_toml
from journeys.streams.rule.policy import DEFAULT_POLICY, policy_from_toml

OTHER = """
version = "quote \\" backslash \\\\ tab \\t and ü"
[deadlines]
timeout_days = 7.5
[limits]
budget = 0.000001
[fatigue]
touchpoints = 5
window_hours = 24
[penalty]
default_conversion_value = 1000000000
[penalty.state_weight]
INTENT = 0.80
"""


@pytest.mark.parametrize("policy", [DEFAULT_POLICY, policy_from_toml(OTHER)], ids=["default", "another"])
def test_the_text_loads_as_the_same_policy(policy):
    """Every constant of it, and its version."""
    assert policy_from_toml(policy_toml(policy)) == policy


def test_rules_that_are_off_are_named_as_comments():
    """So that a reader sees that they exist."""
    text = policy_toml(DEFAULT_POLICY)
    for line in ("# budget: none", "# [fatigue]: off", "# [extension]: off"):
        assert line in text.splitlines()


def test_differences_are_those_of_constants():
    """The same number written otherwise is no difference, nor is the version."""
    assert policy_differences(DEFAULT_POLICY, policy_from_toml(OTHER)) == [
        ("deadlines.timeout_days", "14", "7.5"),
        ("penalty.default_conversion_value", "100", "1000000000"),
        ("limits.budget", "none", "0.000001"),
        ("fatigue.touchpoints", "none", "5"),
        ("fatigue.window_hours", "none", "24"),
    ]
    assert policy_differences(DEFAULT_POLICY, policy_from_toml('version = "another name"')) == []


def test_the_commands_print_them(cli, tmp_path):
    """`policy show --default` gives a file that `policy check` takes and finds unchanged."""
    text = cli("policy", "show", "--default").stdout
    (tmp_path / "p.toml").write_text(text)
    same = cli("policy", "check", "p.toml")
    assert (same.exit_code, same.stdout) == (0, "policy default-1: the same constants as the default\n")
    changed = text.replace("default-1", "mine-1").replace("timeout_days = 14", "timeout_days = 7")
    (tmp_path / "p.toml").write_text(changed)
    checked = cli("policy", "check", "p.toml")
    assert checked.exit_code == 0
    header, _, row = checked.stdout.splitlines()
    assert [cell.strip() for cell in header.split("┃")] == ["key", "default", "mine-1"]
    assert [cell.strip() for cell in row.split("│")] == ["deadlines.timeout_days", "14", "7"]


def test_a_cleanup_before_the_horizon_is_told(cli, tmp_path):
    """By the check of the policy, for the horizon that is asked for; one that reaches it is not."""
    (tmp_path / "p.toml").write_text('version = "short"\n[cleanup]\nstale_data_days = 7.5\n')
    told = "policy short forgets an ended journey after 7.5 days, before the horizon of 30 days: "
    assert told in cli("policy", "check", "p.toml").stdout
    assert "horizon" not in cli("policy", "check", "p.toml", "--horizon-days", "7.5").stdout
    for wrong in ("0", "nan", "-1", "soon"):
        refused = cli("policy", "check", "p.toml", "--horizon-days", wrong)
        assert refused.exit_code == 2
        assert f"'{wrong}' is not a number of days above 0 and at most 36500" in refused.stderr
