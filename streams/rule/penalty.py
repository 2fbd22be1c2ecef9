"""The penalty of an abandonment, formula version 1 (docs/penalty.md).

    days        = max(1, floor((abandoned_at - started_at) / 1 day))
    penalty     = total_cost * (base_rate + state_weight) * (1 - decay ** days) * reason_multiplier
    opportunity = opportunity_rate * conversion_probability * conversion_value

Each of the two is computed exactly and rounded once, half-even, to micros.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

from journeys.schemas.instants import DAY_MS
from journeys.schemas.money import LARGEST_SUM_MICROS, MICROS
from journeys.streams.rule.policy import Penalty

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


class Factors(NamedTuple):
    """What state, reason and days come to. `rate` is the penalty of a micro of cost, as a fraction."""

    rate: tuple[int, int]
    state_weight: float
    time_factor: float
    reason_multiplier: float


class PenaltyTable:
    """Penalties under the constants of one policy. Remembers what state, reason and days come to."""

    def __init__(self, constants: Penalty) -> None:
        self._constants = constants
        self._factors: dict[tuple[str, str, int], Factors] = {}
        self._defaults: dict[str, tuple[float, tuple[int, int]]] = {}
        self.default_value_micros = int(constants.default_conversion_value * MICROS)
        """Value of a conversion where no touchpoint said."""
        self.opportunity_fraction = constants.opportunity_rate.as_integer_ratio()
        """Opportunity cost of a micro of expected value, as a fraction."""

    def amount(
        self,
        *,
        total_cost_micros: int,
        state: str,
        reason: str,
        days: int,
        conversion_probability: float | None,
        conversion_value_micros: int | None,
    ) -> PenaltyAmount:
        """Penalty of an episode that ended in `state` for `reason` after `days`; None takes the policy's default."""
        factors = self.factors(state, reason, days)
        if conversion_probability is None:
            conversion_probability, opportunity_rate = self.default(state)
        else:
            opportunity_rate = self._opportunity_rate(conversion_probability)
        if conversion_value_micros is None:
            conversion_value_micros = self.default_value_micros
        return PenaltyAmount(
            days,
            conversion_probability,
            conversion_value_micros,
            _rounded(total_cost_micros, factors.rate),
            _rounded(conversion_value_micros, opportunity_rate),
            factors.state_weight,
            factors.time_factor,
            factors.reason_multiplier,
        )

    def _opportunity_rate(self, probability: float) -> tuple[int, int]:
        """Opportunity cost of a micro of value under a probability that touchpoints have given, as a fraction."""
        # The shortest text that reads back as this double: 0.05 counts as a twentieth.
        text = repr(probability)
        numerator, denominator = self.opportunity_fraction
        if "e" in text:
            of_probability = Decimal(text).as_integer_ratio()
            return numerator * of_probability[0], denominator * of_probability[1]
        whole, _, decimals = text.partition(".")
        return numerator * int(whole + decimals), denominator * 10 ** len(decimals)

    def factors(self, state: str, reason: str, days: int) -> Factors:
        """What state, reason and days come to."""
        factors = self._factors.get((state, reason, days))
        if factors is None:
            factors = self._factors[state, reason, days] = self._factors_of(state, reason, days)
        return factors

    def _factors_of(self, state: str, reason: str, days: int) -> Factors:
        constants = self._constants
        weight: Decimal = getattr(constants.state_weight, state)
        multiplier: Decimal = getattr(constants.reason_multiplier, reason)
        time_factor = _EXACT.subtract(_WHOLE, _EXACT.power(constants.decay, days))
        multiply = _EXACT.multiply
        rate = multiply(multiply(_EXACT.add(constants.base_rate, weight), time_factor), multiplier)
        return Factors(rate.as_integer_ratio(), float(weight), float(time_factor), float(multiplier))

    def default(self, state: str) -> tuple[float, tuple[int, int]]:
        """Probability by default, and the opportunity cost of a micro of value under it."""
        known = self._defaults.get(state)
        if known is None:
            probability: Decimal = getattr(self._constants.default_conversion_probability, state)
            rate = _EXACT.multiply(self._constants.opportunity_rate, probability).as_integer_ratio()
            known = self._defaults[state] = float(probability), rate
        return known


def _rounded(micros: int, rate: tuple[int, int]) -> int:
    """`micros` times a fraction, half-even."""
    numerator, denominator = rate
    amount, rest = divmod(micros * numerator, denominator)
    rest += rest
    if rest > denominator or (rest == denominator and amount & 1):
        amount += 1
    return min(amount, LARGEST_SUM_MICROS)
