"""The policy: from TOML, to canonical JSON and back, and what is said of a wrong one."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.schemas.instants import DAY_MS, HOUR_MS
from journeys.streams.rule.policy import DEFAULT_POLICY, InvalidPolicyError, Policy, policy_from_json, policy_from_toml

# Logs name this policy as default-1 and keep its content for ever. Another content needs another version.
DEFAULT_JSON = (
    '{"cleanup":{"batch_size":1000,"stale_data_days":"30"},'
    '"deadlines":{"grace_seconds":"60","inactivity_hours":"72","max_journey_duration_days":"90","timeout_days":"14"},'
    '"limits":{"conversion_quiet_period_hours":"0","future_skew_minutes":"60"},'
    '"penalty":{"base_rate":"0.15","decay":"0.8",'
    '"default_conversion_probability":{"AWARE":"0.05","CONSIDERING":"0.3","INTENT":"0.5","UNAWARE":"0.01"},'
    '"default_conversion_value":"100","formula_version":1,"opportunity_rate":"0.25",'
    '"reason_multiplier":{"BUDGET_EXHAUSTED":"0.6","COMPETITOR_CONVERSION":"1.5","INACTIVITY":"0.8",'
    '"MANUAL_TERMINATION":"0.3","TIMEOUT":"1","USER_FATIGUE":"0.7"},'
    '"state_weight":{"AWARE":"0.2","CONSIDERING":"0.5","CONVERTED":"0","INTENT":"0.8","UNAWARE":"0.1"}},'
    '"version":"default-1"}'
)

FULL_TOML = """
version = "spring-sale"

[deadlines]
timeout_days = 7.5
inactivity_hours = 36
max_journey_duration_days = 45
grace_seconds = 0.25

[cleanup]
stale_data_days = 10
batch_size = 5

[limits]
budget = 12.345678
conversion_quiet_period_hours = 1.5
future_skew_minutes = 2

[fatigue]
touchpoints = 5
window_hours = 6

[extension]
touchpoints = 3
extend_by_days = 2

[penalty]
base_rate = 0.1

[penalty.state_weight]
INTENT = 0.9
"""


def test_the_default_policy_is_what_old_logs_mean_by_its_name():
    """Its content under the name default-1, to the letter."""
    assert DEFAULT_POLICY.to_json() == DEFAULT_JSON
    assert policy_from_json(DEFAULT_JSON) == DEFAULT_POLICY


def test_the_default_policy_in_milliseconds():
    """14 days, 72 hours, 90 days, 30 days, 60 seconds; no budget, no rule of single touchpoints."""
    policy = DEFAULT_POLICY
    assert (policy.timeout_ms, policy.inactivity_ms) == (14 * DAY_MS, 72 * HOUR_MS)
    assert (policy.max_journey_duration_ms, policy.cleanup_ms, policy.grace_ms) == (90 * DAY_MS, 30 * DAY_MS, 60_000)
    assert policy.future_skew_ms == HOUR_MS
    assert policy.conversion_quiet_period_ms == 0
    assert (policy.budget_micros, policy.fatigue, policy.extension) == (None, None, None)
    assert not policy.keeps_touchpoint_times


def test_toml_gives_every_constant():
    """Durations in milliseconds, money in micros, decimals exact; what is left out is the default's."""
    policy = policy_from_toml(FULL_TOML)
    assert policy.version == "spring-sale"
    assert (policy.timeout_ms, policy.inactivity_ms) == (15 * DAY_MS // 2, 36 * HOUR_MS)
    assert (policy.max_journey_duration_ms, policy.grace_ms) == (45 * DAY_MS, 250)
    assert (policy.cleanup_ms, policy.cleanup.batch_size) == (10 * DAY_MS, 5)
    assert policy.budget_micros == 12_345_678
    assert (policy.conversion_quiet_period_ms, policy.future_skew_ms) == (5_400_000, 120_000)
    assert (policy.fatigue.touchpoints, policy.fatigue_window_ms) == (5, 6 * HOUR_MS)
    assert (policy.extension.touchpoints, policy.extend_by_ms) == (3, 2 * DAY_MS)
    assert policy.keeps_touchpoint_times
    assert policy.penalty.base_rate == Decimal("0.1")
    weights, of_default = (one.penalty.state_weight.model_dump() for one in (policy, DEFAULT_POLICY))
    assert weights == of_default | {"INTENT": Decimal("0.9")}
    assert policy.penalty.reason_multiplier == DEFAULT_POLICY.penalty.reason_multiplier


def test_empty_toml_is_the_default_policy():
    """Nothing said, nothing changed."""
    assert policy_from_toml("") == DEFAULT_POLICY
    assert policy_from_toml("# all as it is\n") == DEFAULT_POLICY


WRONG_TOML = [
    # text, what the error names: key, value, what would be right
    ("[deadlines]\ntimeout_days = 3", ["version", "missing"]),
    ("version = 'default-1'\n[deadlines]\ntimeout_days = 3", ["version", "'default-1'", "choose another"]),
    ("version = ''", ["version", "''", "at least 1 character"]),
    ("version = 7", ["version", "'7'", "valid string"]),
    (f"version = '{'v' * 201}'", ["version", "'vvv", "at most 200"]),
    ("version = 'a'\n[deadlines]\ntimeout_days = 0", ["deadlines.timeout_days", "'0'", "greater than 0"]),
    ("version = 'a'\n[deadlines]\ntimeout_days = 36501", ["deadlines.timeout_days", "'36501'", "36500"]),
    ("version = 'a'\n[deadlines]\ntimeout_days = nan", ["deadlines.timeout_days", "'NaN'", "finite"]),
    ("version = 'a'\n[deadlines]\ntimeout_days = inf", ["deadlines.timeout_days", "'Infinity'", "finite"]),
    ("version = 'a'\n[deadlines]\ntimeout_days = true", ["deadlines.timeout_days", "'True'", "decimal"]),
    ("version = 'a'\n[deadlines]\ntimeout_days = 'soon'", ["deadlines.timeout_days", "'soon'", "decimal"]),
    ("version = 'a'\n[deadlines]\ntimeout_days = 1e-9", ["deadlines.timeout_days", "'1E-9'", "millisecond"]),
    ("version = 'a'\n[deadlines]\ninactivity_hours = 1e-9", ["deadlines.inactivity_hours", "'1E-9'", "millisecond"]),
    (
        "version = 'a'\n[deadlines]\nmax_journey_duration_days = 1e-9",
        ["deadlines.max_journey_duration_days", "'1E-9'", "millisecond"],
    ),
    ("version = 'a'\n[cleanup]\nstale_data_days = 1e-9", ["cleanup.stale_data_days", "'1E-9'", "millisecond"]),
    (
        "version = 'a'\n[deadlines]\ngrace_seconds = -1",
        ["deadlines.grace_seconds", "'-1'", "greater than or equal to 0"],
    ),
    ("version = 'a'\n[deadlines]\ntimeout_dayz = 3", ["deadlines.timeout_dayz", "no such key", "timeout_days,"]),
    ("version = 'a'\nbudget = 3", ["budget", "no such key", "version, deadlines, cleanup, limits"]),
    ("version = 'a'\n[fatigue]\ntouchpoint = 3", ["fatigue.touchpoint:", "no such key", "touchpoints, window_hours"]),
    ("version = 'a'\ndeadlines = 14", ["deadlines", "'14'", "dictionary"]),
    ("version = 'a'\n[cleanup]\nbatch_size = 0", ["cleanup.batch_size", "'0'", "greater than 0"]),
    ("version = 'a'\n[cleanup]\nbatch_size = 1.5", ["cleanup.batch_size", "'1.5'", "integer"]),
    ("version = 'a'\n[cleanup]\nbatch_size = true", ["cleanup.batch_size", "'True'", "integer"]),
    ("version = 'a'\n[limits]\nbudget = 0", ["limits.budget", "'0'", "greater than 0"]),
    ("version = 'a'\n[limits]\nbudget = 0.0000001", ["limits.budget", "'1E-7'", "6 decimal places"]),
    ("version = 'a'\n[fatigue]\nwindow_hours = 1", ["fatigue.touchpoints", "required"]),
    ("version = 'a'\n[fatigue]\ntouchpoints = 65\nwindow_hours = 1", ["fatigue.touchpoints", "'65'", "64"]),
    ("version = 'a'\n[fatigue]\ntouchpoints = 1\nwindow_hours = 1", ["fatigue.touchpoints", "'1'", "greater than 1"]),
    ("version = 'a'\n[extension]\ntouchpoints = 1\nextend_by_days = 0", ["extension.extend_by_days", "'0'"]),
    ("version = 'a'\n[penalty]\nformula_version = 2", ["penalty.formula_version", "'2'", "equal to 1"]),
    ("version = 'a'\n[penalty]\ndecay = 1.01", ["penalty.decay", "'1.01'", "less than or equal to 1"]),
    ("version = 'a'\n[penalty]\nbase_rate = 1e-99", ["penalty.base_rate", "'1E-99'", "28 digits"]),
    ("version = 'a'\n[penalty.state_weight]\nHAPPY = 1", ["penalty.state_weight.HAPPY", "no such key", "AWARE"]),
    ("version = 'a'\n[penalty.reason_multiplier]\nTIMEOUT = -1", ["penalty.reason_multiplier.TIMEOUT", "'-1'"]),
    ("version = ", ["not TOML", "Invalid value"]),
    ("version = 'a'\n[penalty]\nbase_rate = 1e99999999999999999999", ["not TOML"]),
    ("version = 'a'\n[penalty]\nbase_rate = " + "9" * 5000, ["not TOML"]),
    ("a = " + "[" * 5000, ["not TOML"]),
]


@pytest.mark.parametrize(("text", "named"), WRONG_TOML, ids=[text[-60:] for text, _ in WRONG_TOML])
def test_an_error_names_key_value_and_what_would_be_right(text, named):
    """Each in one line that a person can act on."""
    with pytest.raises(InvalidPolicyError) as caught:
        policy_from_toml(text)
    said = str(caught.value)
    assert [part for part in named if part not in said] == []
    assert "\n" not in said
    assert "value error" not in said


def test_all_errors_are_told_at_once():
    """Nobody wants to learn of them one by one."""
    with pytest.raises(InvalidPolicyError) as caught:
        policy_from_toml("version = ''\n[deadlines]\ntimeout_days = -1\ngrace_seconds = -2")
    assert [key for key in ("version", "timeout_days", "grace_seconds") if key not in str(caught.value)] == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "5",
        "NaN",
        '{"version":"a","penalty":{"base_rate":NaN}}',
        '{"version":"a","penalty":{"base_rate":Infinity}}',
        '{"version":"a","penalty":{"base_rate":1e99999999999999999999}}',
        '{"version":"a","penalty":{"base_rate":' + "9" * 5000 + "}}",
        '{"version":"\\ud800"}',
        '{"version":"a","\\ud800":1}',
        '{"deadlines":{"timeout_days":"13"}}',
        "[" * 100_000,
    ],
)
def test_json_that_is_no_policy_is_refused(text):
    """A log may hold anything: whatever it is, the answer is this error, and its text can be written."""
    with pytest.raises(InvalidPolicyError) as caught:
        policy_from_json(text)
    assert str(caught.value).encode()


def decimals(low, high, places):
    """Decimals from `low` to `high` with `places` decimals."""
    scale = 10**places
    return st.integers(low * scale, high * scale).map(lambda number: Decimal(number).scaleb(-places))


# Policies as the content of their TOML or JSON.
POLICIES = st.fixed_dictionaries(
    {
        "version": st.text(min_size=1, max_size=20).filter(lambda text: text != "default-1"),
        "deadlines": st.fixed_dictionaries(
            {
                "timeout_days": decimals(1, 36_500, 3),
                "inactivity_hours": decimals(1, 1000, 2),
                "grace_seconds": decimals(0, 1000, 1),
            }
        ),
        "cleanup": st.fixed_dictionaries({"batch_size": st.integers(1, 10**6)}),
        "limits": st.fixed_dictionaries({"budget": st.none() | decimals(1, 10**9, 6)}),
        "fatigue": st.none()
        | st.fixed_dictionaries({"touchpoints": st.integers(2, 64), "window_hours": decimals(1, 100, 2)}),
        "extension": st.none()
        | st.fixed_dictionaries({"touchpoints": st.integers(1, 64), "extend_by_days": decimals(1, 9, 1)}),
        "penalty": st.fixed_dictionaries(
            {
                "base_rate": decimals(0, 1, 27),
                "decay": decimals(0, 1, 9),
                "reason_multiplier": st.fixed_dictionaries({"TIMEOUT": decimals(0, 9, 2)}),
            }
        ),
    }
)


@given(POLICIES)
@settings(max_examples=50, deadline=None)
def test_canonical_json_comes_back_as_the_same_policy(content):
    """Nothing is lost or rounded on the way through the log, and the second JSON is the first."""
    policy = Policy.model_validate(content)
    again = policy_from_json(policy.to_json())
    assert again == policy
    assert again.to_json() == policy.to_json()


@pytest.mark.parametrize(
    ("one", "other"),
    [("14", "14.00"), ("0", "-0"), ("0", "-0.0"), ("0", "0e9"), ("100", "1e2"), ("0.5", "'0.50'"), ("7", "7.0e0")],
)
def test_a_number_has_one_canonical_spelling(one, other):
    """Two spellings of one number are one policy with one JSON."""
    policies_ = [policy_from_toml(f"version = 'a'\n[deadlines]\ngrace_seconds = {text}") for text in (one, other)]
    assert policies_[0] == policies_[1]
    assert policies_[0].to_json() == policies_[1].to_json()


def test_absent_rules_are_left_out_of_the_json():
    """So that a rule invented later changes the JSON of no policy that doesn't have it."""
    text = policy_from_toml("version = 'a'").to_json()
    assert "null" not in text
    assert "fatigue" not in text
    assert "fatigue" in policy_from_toml("version = 'a'\n[fatigue]\ntouchpoints = 3\nwindow_hours = 1").to_json()


def test_a_policy_cannot_be_changed():
    """It is shared by all rows that began under it."""
    with pytest.raises(ValueError, match="frozen"):
        DEFAULT_POLICY.version = "another"
    with pytest.raises(ValueError, match="frozen"):
        DEFAULT_POLICY.deadlines.timeout_days = Decimal(1)
