"""The penalty of an abandonment, formula version 1 (DESIGN: penalty; docs/penalty.md).

    days        = max(1, floor((abandoned_at - started_at) / 1 day))
    penalty     = total_cost * (base_rate + state_weight) * (1 - decay ** days) * reason_multiplier
    opportunity = opportunity_rate * conversion_probability * conversion_value

Each of the two is computed exactly and rounded once, half-even, to micros.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import NamedTuple

from schemas.instants import DAY_MS
from schemas.money import LARGEST_SUM_MICROS, MICROS
from streams.policy import Penalty

# Enough digits that nothing is rounded before the end: with decay 0.8 and the cap of 90 days the power has 90 digits.
# For a longer or finer power, what is cut off lies 10^-380 below a micro.
_EXACT = Context(prec=400, rounding=ROUND_HALF_EVEN)
_WHOLE = Decimal(1)


class PenaltyAmount(NamedTuple):
    """A penalty with every component. Amounts in micros, weights as used."""

    days_active: int
    conversion_probability: float
    conversion_value_micros: int
    penalty_amount_micros: int
    opportunity_cost_micros: int
    state_weight: float
    time_factor: float
    reason_multiplier: float

    @property
    def total_micros(self) -> int:
        """Penalty and opportunity cost together."""
        return self.penalty_amount_micros + self.opportunity_cost_micros


def days_active(started_at: int, abandoned_at: int) -> int:
    """Whole days of an episode, at least 1, of two instants in epoch milliseconds."""
    return max(1, (abandoned_at - started_at) // DAY_MS)


def penalty_of(
    constants: Penalty,
    *,
    total_cost_micros: int,
    state: str,
    reason: str,
    days: int,
    conversion_probability: float | None,
    conversion_value_micros: int | None,
) -> PenaltyAmount:
    """Penalty of an episode that ended in `state` for `reason` after `days`; None takes the policy's default."""
    weight: Decimal = getattr(constants.state_weight, state)
    multiplier: Decimal = getattr(constants.reason_multiplier, reason)
    rate = _rate(constants.base_rate, weight, constants.decay, days, multiplier)
    if conversion_probability is None:
        probability: Decimal = getattr(constants.default_conversion_probability, state)
    else:
        # The shortest text that reads back as this double: 0.05 counts as a twentieth.
        probability = Decimal(repr(conversion_probability))
    if conversion_value_micros is None:
        conversion_value_micros = int(constants.default_conversion_value * MICROS)
    multiply = _EXACT.multiply
    opportunity = multiply(multiply(constants.opportunity_rate, probability), Decimal(conversion_value_micros))
    return PenaltyAmount(
        days_active=days,
        conversion_probability=float(probability),
        conversion_value_micros=conversion_value_micros,
        penalty_amount_micros=_rounded(multiply(Decimal(total_cost_micros), rate)),
        opportunity_cost_micros=_rounded(opportunity),
        state_weight=float(weight),
        time_factor=float(_time_factor(constants.decay, days)),
        reason_multiplier=float(multiplier),
    )


@lru_cache(maxsize=4096)
def _rate(base_rate: Decimal, weight: Decimal, decay: Decimal, days: int, multiplier: Decimal) -> Decimal:
    """Penalty of a micro of cost."""
    multiply = _EXACT.multiply
    return multiply(multiply(_EXACT.add(base_rate, weight), _time_factor(decay, days)), multiplier)


@lru_cache(maxsize=4096)
def _time_factor(decay: Decimal, days: int) -> Decimal:
    return _EXACT.subtract(_WHOLE, _EXACT.power(decay, days))


def _rounded(amount: Decimal) -> int:
    return min(int(amount.quantize(_WHOLE, context=_EXACT)), LARGEST_SUM_MICROS)
