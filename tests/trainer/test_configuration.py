"""Configurations of the promised API, and the policies made of them."""

from dataclasses import fields

import pytest

from journeys.schemas.records import REASONS, Touchpoint
from journeys.streams.rule.policy import DEFAULT_POLICY
from training_orchestrator import (
    AbandonmentPenalty,
    AbandonmentReason,
    ConfigurationError,
    TimeoutConfiguration,
    TrainerTouchpoint,
    TrainingConfiguration,
)
from training_orchestrator.api.touchpoint import TouchpointFields

NUMBERS = [each.name for each in fields(TimeoutConfiguration) if each.name != "state_penalty_weights"]


def test_a_trainer_knows_every_reason():
    """Under the same names, in the same order."""
    assert tuple(AbandonmentReason) == REASONS


def test_a_trainer_can_give_every_field_of_a_touchpoint():
    """Money as dollars; type checkers know the same fields."""
    names = {name.removesuffix("_micros") for name in Touchpoint._fields}
    assert {field.name for field in fields(TrainerTouchpoint)} == names
    assert set(TouchpointFields.__annotations__) == names - {"journey_id"}


def test_the_promised_configuration_is_the_default_policy():
    """By all its fields, written out, and by none."""
    promised = TimeoutConfiguration(
        default_timeout_days=14,
        inactivity_threshold_hours=72,
        max_journey_duration_days=90,
        abandonment_check_interval_minutes=30,
        cleanup_batch_size=1000,
        state_penalty_weights={"UNAWARE": 0.1, "AWARE": 0.2, "CONSIDERING": 0.5, "INTENT": 0.8, "CONVERTED": 0.0},
    )
    assert promised.policy() == TimeoutConfiguration().policy() == DEFAULT_POLICY
    training = TrainingConfiguration(journey_timeout_days=14, inactivity_threshold_hours=72, cleanup_stale_data_days=30)
    assert training.timeouts().policy() == DEFAULT_POLICY


def test_every_field_is_in_the_policy():
    """And the version is that of the content: the same in every process, another for another content."""
    policy = TimeoutConfiguration(
        default_timeout_days=7.5,
        inactivity_threshold_hours=12,
        max_journey_duration_days=60,
        cleanup_batch_size=10,
        state_penalty_weights={"INTENT": 0.9},
        cleanup_stale_data_days=20,
        grace_seconds=0,
    ).policy()
    hours = 3_600_000
    assert (policy.timeout_ms, policy.inactivity_ms) == (180 * hours, 12 * hours)
    assert (policy.max_journey_duration_ms, policy.grace_ms) == (60 * 24 * hours, 0)
    assert (policy.cleanup.batch_size, policy.cleanup_ms) == (10, 20 * 24 * hours)
    assert (float(policy.penalty.state_weight.INTENT), float(policy.penalty.state_weight.AWARE)) == (0.9, 0.2)
    training = TrainingConfiguration(7.5, 12, 20, 60, state_penalty_weights={"INTENT": 0.9}).timeouts().policy()
    assert (training.timeout_ms, training.inactivity_ms, training.max_journey_duration_ms, training.cleanup_ms) == (
        *(policy.timeout_ms, policy.inactivity_ms, policy.max_journey_duration_ms, policy.cleanup_ms),
    )
    assert training.penalty == policy.penalty
    assert training.version.startswith("trainer-")
    assert training.version != policy.version
    assert (
        TimeoutConfiguration(grace_seconds=1).policy().version
        == TimeoutConfiguration(grace_seconds=1.0).policy().version
    )


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [-1, "14", None, float("nan"), float("inf"), True])
def test_a_number_that_means_nothing_is_refused_by_name(name, value):
    """By the constructor, before a journey is at stake."""
    with pytest.raises(ConfigurationError, match=rf"^{name}: {value!r} is not "):
        TimeoutConfiguration(**{name: value})


def test_a_penalty_has_the_promised_fields_and_their_total():
    """Summed in micros: 0.1 and 0.2 are 0.3."""
    penalty = AbandonmentPenalty(
        penalty_amount=0.1,
        opportunity_cost=0.2,
        abandonment_reason=AbandonmentReason.TIMEOUT,
        days_active=5,
        touchpoint_count=2,
    )
    assert penalty.total == 0.3
    assert penalty.abandonment_reason == "TIMEOUT"
