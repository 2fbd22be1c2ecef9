"""Credit assignment: shares a journey's reward among its actions; the shares add up exactly, in micros."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from typing import Literal, NamedTuple, TypeAlias

from training_orchestrator.api.configuration import ConfigurationError

CreditRule: TypeAlias = Literal["last_touch", "linear", "time_decay", "position"]
_RULES = ("last_touch", "linear", "time_decay", "position")


class TouchedBy(NamedTuple):
    """Touchpoint of a journey and the action that bought it; None for a touchpoint without an action."""

    occurred_at: datetime
    action_id: str | None


def credit(
    total_micros: int, touches: Sequence[TouchedBy], rule: CreditRule = "last_touch", half_life_days: float = 7.0
) -> dict[str, int]:
    """Micros by action_id. Touchpoints without an action earn nothing; without any action the result is empty.

    `last_touch`: all to the latest action. `linear`: the same for each touchpoint. `time_decay`: half as much for one
    that is `half_life_days` older than the latest. `position`: 40% each to the first and the last, the rest to those
    between, halves to two. Raises ConfigurationError.
    """
    if rule not in _RULES:
        raise ConfigurationError(f"rule: {rule!r} is not one of {', '.join(_RULES)}")
    if not 0 < half_life_days < float("inf"):
        raise ConfigurationError(f"half_life_days: {half_life_days!r} is not a number above zero")
    # The sort is stable: of touchpoints at one instant the last of the argument is the latest.
    acted = sorted((each for each in touches if each.action_id is not None), key=lambda each: each.occurred_at)
    if not acted:
        return {}
    latest = acted[-1].occurred_at
    if rule == "last_touch":
        weights = [0.0] * (len(acted) - 1) + [1.0]
    elif rule == "linear":
        weights = [1.0] * len(acted)
    elif rule == "position":
        between = len(acted) - 2
        weights = [2.0 * between, *[1.0] * between, 2.0 * between] if between > 0 else [1.0] * len(acted)
    else:
        weights = [0.5 ** ((latest - each.occurred_at).total_seconds() / 86_400 / half_life_days) for each in acted]
    shares: dict[str, int] = {}
    for each, micros in zip(acted, _divided(total_micros, weights), strict=True):
        if micros:
            assert each.action_id is not None
            shares[each.action_id] = shares.get(each.action_id, 0) + micros
    return shares


def _divided(total: int, weights: Sequence[float]) -> list[int]:
    """Whole micros in proportion to weights (largest remainders; of equal ones the later comes first)."""
    sign, total = (-1, -total) if total < 0 else (1, total)
    # Fractions: rounded floats could sum to more than the total.
    whole = sum(map(Fraction, weights))
    exact = [total * Fraction(weight) / whole for weight in weights]
    parts = [int(each) for each in exact]
    by_remainder = sorted(range(len(parts)), key=lambda index: (exact[index] - parts[index], index), reverse=True)
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return [sign * each for each in parts]
