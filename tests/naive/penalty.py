"""Formula version 1 in exact fractions, and the abandonment it goes into."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Any

from .journey import Episode
from .line import DAY, micros


def abandonment_id(journey_id: str, started_at: int) -> str:
    """32 hex digits."""
    text = journey_id.encode("utf-8") + b"\x00" + started_at.to_bytes(8, "big")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def exact(number: object) -> Fraction:
    """A number as it is written in decimals, not as a binary fraction near it."""
    return Fraction(str(number))


def abandonment(journey_id: str, episode: Episode, reason: str, at: int, detected_at: int) -> dict[str, Any]:
    """All fields of the output but the provenance: instants in milliseconds, money in micros."""
    policy = episode.policy
    state = episode.state()
    cost = episode.total_cost_micros()
    days = max(1, (at - episode.started_at) // DAY)
    weight = exact(policy["state_weights"][state])
    time_factor = 1 - exact(policy["time_decay"]) ** days
    multiplier = exact(policy["reason_multipliers"][reason])
    probability = episode.last_given("conversion_probability")
    if probability is None:
        probability = policy["default_probabilities"][state]
    value = episode.last_given("conversion_value")
    value_micros = policy["default_value_micros"] if value is None else micros(value)
    # round() of a Fraction is half-even
    penalty = round(cost * (exact(policy["base_weight"]) + weight) * time_factor * multiplier)
    opportunity = round(exact(policy["opportunity_share"]) * exact(probability) * value_micros)
    return {
        "abandonment_id": abandonment_id(journey_id, episode.started_at),
        "journey_id": journey_id,
        "user_id": episode.user_id,
        "abandonment_reason": reason,
        "state": state,
        "started_at": episode.started_at,
        "last_touchpoint_at": episode.last_touchpoint_at(),
        "abandoned_at": at,
        "detected_at": detected_at,
        "days_active": days,
        "touchpoint_count": len(episode.touchpoints),
        "total_cost_micros": cost,
        "conversion_probability": float(probability),
        "conversion_value_micros": value_micros,
        "penalty_amount_micros": penalty,
        "opportunity_cost_micros": opportunity,
        "total_penalty_micros": penalty + opportunity,
        "state_weight": float(weight),
        "time_factor": float(time_factor),
        "reason_multiplier": float(multiplier),
        "formula_version": 1,
        "policy_version": policy["version"],
        "terminated": reason == "COMPETITOR_CONVERSION",
        "truncated": reason != "COMPETITOR_CONVERSION",
        "action_id": episode.last_given("action_id"),
        "touchpoint_policy_version": episode.last_given("policy_version"),
        "propensity": episode.last_given("propensity"),
        "probability_assumed": episode.last_given("conversion_probability") is None,
        "value_assumed": value is None,
    }
