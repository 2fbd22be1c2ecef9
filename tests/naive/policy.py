"""The default policy as a plain dict: durations in milliseconds, money in micros, factors as decimals."""

from __future__ import annotations

from typing import Any

from .line import DAY, HOUR

DEFAULT_POLICY: dict[str, Any] = {
    "version": None,
    "timeout_ms": 14 * DAY,
    "inactivity_ms": 72 * HOUR,
    "max_journey_duration_ms": 90 * DAY,
    "cleanup_ms": 30 * DAY,
    "grace_ms": 60_000,
    "conversion_quiet_period_ms": 0,
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
