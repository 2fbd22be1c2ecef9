"""Penalties of many abandonments at once: what `PenaltyTable.amount` says of each.

Amounts are exact there, fractions of integers rounded half-even. Here they are computed in doubles first. That is as
good wherever the double is far enough from a half for its own error; the others are computed exactly, one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from journeys.schemas.arrays import NONE, Floats, Integers, number_or_none
from journeys.schemas.instants import DAY_MS
from journeys.schemas.records import STATES
from journeys.streams.journey_columns import JourneyColumns
from journeys.streams.rule.penalty import PenaltyTable
from journeys.streams.slot_index import Slots

_REASONS: Final = ("INACTIVITY", "TIMEOUT")
# Four roundings of a double, each by 2^-53 of the amount, come to less than a hundredth below this many micros.
_LARGEST_CERTAIN: Final = 1e12
_DOUBTFUL: Final = 0.01


class PenaltyArrays(NamedTuple):
    """Penalties with every component, fields as in `PenaltyAmount`."""

    days_active: Integers
    conversion_probability: Floats
    conversion_value_micros: Integers
    penalty_amount_micros: Integers
    opportunity_cost_micros: Integers
    state_weight: Floats
    time_factor: Floats
    reason_multiplier: Floats

    @property
    def total_micros(self) -> Integers:
        """Penalty and opportunity cost together."""
        return self.penalty_amount_micros + self.opportunity_cost_micros


def penalties_of(
    columns: JourneyColumns, slots: Slots, deadlines_at: Integers, is_timeout: NDArray[np.bool_]
) -> PenaltyArrays:
    """Penalties of open episodes that end at their deadlines."""
    tables = columns.policies.penalties
    policies, states = columns.policy[slots], columns.state[slots]
    days = np.maximum(1, (deadlines_at - columns.started_at[slots]) // DAY_MS)
    rates, weights, time_factors, multipliers = _factors(tables, policies, states, is_timeout, days)
    probabilities, values_micros = columns.conversion_probability[slots], columns.conversion_value_micros[slots]
    expected, opportunity_rates = _expectations(tables, policies, states, probabilities)
    defaults_micros = np.array([table.default_value_micros for table in tables], np.int64)[policies]
    values = np.where(values_micros == NONE, defaults_micros, values_micros)
    costs_micros = columns.total_cost_micros[slots]
    amounts, opportunities = costs_micros * rates, values * opportunity_rates
    found = PenaltyArrays(
        days, expected, values, _rounded(amounts), _rounded(opportunities), weights, time_factors, multipliers
    )
    for place in np.flatnonzero(_is_doubtful(amounts) | _is_doubtful(opportunities)).tolist():
        exact = tables[policies[place]].amount(
            total_cost_micros=int(costs_micros[place]),
            state=STATES[states[place]],
            reason=_REASONS[int(is_timeout[place])],
            days=int(days[place]),
            conversion_probability=number_or_none(probabilities[place]),
            conversion_value_micros=int(values[place]),
        )
        found.penalty_amount_micros[place] = exact.penalty_amount_micros
        found.opportunity_cost_micros[place] = exact.opportunity_cost_micros
    return found


def _rounded(amounts: Floats) -> Integers:
    return np.rint(np.minimum(amounts, _LARGEST_CERTAIN)).astype(np.int64)


def _is_doubtful(amounts: Floats) -> NDArray[np.bool_]:
    """Whether an amount's double may be on the other side of a half than the amount itself."""
    return (np.abs(amounts - np.floor(amounts) - 0.5) < _DOUBTFUL) | (amounts > _LARGEST_CERTAIN)


def _factors(
    tables: Sequence[PenaltyTable],
    policies: NDArray[np.int32],
    states: NDArray[np.int8],
    is_timeout: NDArray[np.bool_],
    days: Integers,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Penalty of a micro of cost, and the weight, time factor and multiplier that it is made of."""
    kinds = (policies.astype(np.int64) * len(STATES) + states) * len(_REASONS) + is_timeout
    codes, which = np.unique((kinds << 32) | days, return_inverse=True)
    found: list[tuple[float, float, float, float]] = []
    for code in codes.tolist():
        kind, of_reason = divmod(code >> 32, len(_REASONS))
        policy, state = divmod(kind, len(STATES))
        factors = tables[policy].factors(STATES[state], _REASONS[of_reason], code & 0xFFFFFFFF)
        numerator, denominator = factors.rate
        rate = numerator / denominator
        found.append((rate, factors.state_weight, factors.time_factor, factors.reason_multiplier))
    rates, weights, time_factors, multipliers = np.array(found).T[:, which]
    return rates, weights, time_factors, multipliers


def _expectations(
    tables: Sequence[PenaltyTable], policies: NDArray[np.int32], states: NDArray[np.int8], probabilities: Floats
) -> tuple[Floats, Floats]:
    """Probabilities of a conversion, the policy's where no touchpoint said, and what a micro of its value costs."""
    is_missing = np.isnan(probabilities)
    fractions = np.array(
        [numerator / denominator for numerator, denominator in (t.opportunity_fraction for t in tables)]
    )
    rates = fractions[policies] * probabilities
    if not is_missing.any():
        return probabilities, rates
    probabilities = probabilities.copy()
    kinds = policies * len(STATES) + states
    for kind in np.unique(kinds[is_missing]).tolist():
        policy, state = divmod(kind, len(STATES))
        probability, (numerator, denominator) = tables[policy].default(STATES[state])
        alike = is_missing & (kinds == kind)
        probabilities[alike] = probability
        rates[alike] = numerator / denominator
    return probabilities, rates
