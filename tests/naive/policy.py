"""Policies as plain dicts: durations in milliseconds, money in micros, factors as decimals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .line import DAY, HOUR

Pick = Callable[[Sequence[Any]], Any]  # takes one of a sequence

DEFAULT_POLICY: dict[str, Any] = {
    "version": "default-1",
    "timeout_ms": 14 * DAY,
    "inactivity_ms": 72 * HOUR,
    "max_journey_duration_ms": 90 * DAY,
    "cleanup_ms": 30 * DAY,
    "grace_ms": 60_000,
    "conversion_quiet_period_ms": 0,
    "remembered_ids": 8,
    "budget_micros": None,
    "fatigue": None,  # {"touchpoints": N, "window_ms": W}
    "extension": None,  # {"touchpoints": N, "extend_by_ms": D}
    "base_weight": "0.15",
    "time_decay": "0.8",
    "opportunity_share": "0.25",
    "default_value_micros": 100_000_000,
    "state_weights": {"UNAWARE": "0.1", "AWARE": "0.2", "CONSIDERING": "0.5", "INTENT": "0.8"},
    "default_probabilities": {"UNAWARE": "0.01", "AWARE": "0.05", "CONSIDERING": "0.3", "INTENT": "0.5"},
    "reason_multipliers": {
        "TIMEOUT": "1.0",
        "INACTIVITY": "0.8",
        "COMPETITOR_CONVERSION": "1.5",
        "BUDGET_EXHAUSTED": "0.6",
        "USER_FATIGUE": "0.7",
        "MANUAL_TERMINATION": "0.3",
    },
}


def policy_by(pick: Pick) -> dict[str, Any]:
    """What differs from the default, with each rule on in a part of the picks."""
    policy: dict[str, Any] = {
        "timeout_ms": pick([14 * DAY, 14 * DAY, 3 * DAY, 5 * DAY, 30 * DAY]),
        "inactivity_ms": pick([72 * HOUR, 72 * HOUR, 72 * HOUR, DAY, 20 * DAY]),
        "max_journey_duration_ms": pick([90 * DAY, 90 * DAY, 20 * DAY]),
        "cleanup_ms": pick([30 * DAY, 30 * DAY, 4 * DAY, DAY]),
        "grace_ms": pick([60_000, 60_000, 0, DAY]),
    }
    if pick(range(3)) == 0:
        policy["budget_micros"] = pick([25_000_000, 50_000_000, 12_345_679])
    if pick(range(3)) == 0:
        policy["fatigue"] = {"touchpoints": pick([2, 3, 4]), "window_ms": pick([HOUR, DAY, 7 * DAY])}
    if pick(range(5)) > 1:
        step = pick([DAY, DAY, HOUR, 5 * DAY, 60 * DAY, 60 * DAY])
        policy["extension"] = {"touchpoints": pick([1, 1, 2]), "extend_by_ms": step}
    if pick(range(3)) == 0:
        policy["conversion_quiet_period_ms"] = pick([1, DAY, 10 * DAY])
    if pick(range(3)) == 0:
        policy["remembered_ids"] = pick([1, 3, 7, 9, 20])
    return policy
