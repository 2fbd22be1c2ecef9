"""Penalties of many abandonments at once are those of each by itself, to the micro."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.schemas.arrays import NONE
from journeys.schemas.instants import DAY_MS
from journeys.schemas.money import LARGEST_MICROS, LARGEST_SUM_MICROS
from journeys.schemas.records import STATES
from journeys.streams import penalty_arrays
from journeys.streams.journey_columns import JourneyColumns
from journeys.streams.penalty_arrays import penalties_of
from journeys.streams.rule.penalty import PenaltyAmount, PenaltyTable
from journeys.streams.rule.policy import DEFAULT_POLICY, Policy
from tests.fixtures.examples import examples

_AT: Final = 1_760_000_000_000
_OPEN_STATES: Final = STATES[:4]


def _policy(version: str, **penalty: Any) -> Policy:
    return Policy.model_validate({"version": version, "penalty": penalty})


_POLICIES: Final = (
    DEFAULT_POLICY,
    _policy("fine", base_rate="0.1234567890123456789012345678", decay="0.98765", opportunity_rate="0.3333333333333333"),
    _policy("dear", base_rate="1000000", opportunity_rate="1000000", reason_multiplier={"TIMEOUT": "999999.9"}),
    _policy("free", decay="1", opportunity_rate="0", default_conversion_value="0"),
    _policy("full", decay="0", base_rate="0", state_weight={"AWARE": "0.5"}, default_conversion_value="0.000001"),
    _policy("halves", base_rate="0.625"),
    _policy("default", default_conversion_probability={"AWARE": "0.0000000000000000000000000003", "INTENT": "1"}),
)


class Episode(NamedTuple):
    """What a penalty is made of; `policy` is a place in the policies above, `lasted_ms` from start to deadline."""

    policy: int
    state: str
    is_timeout: bool
    lasted_ms: int
    total_cost_micros: int
    conversion_probability: float | None
    conversion_value_micros: int | None


_episodes = st.builds(
    Episode,
    policy=st.integers(0, len(_POLICIES) - 1),
    state=st.sampled_from(_OPEN_STATES),
    is_timeout=st.booleans(),
    lasted_ms=st.integers(1, 90 * DAY_MS) | st.sampled_from([1, DAY_MS - 1, DAY_MS, 2 * DAY_MS, 36_500 * DAY_MS]),
    total_cost_micros=(
        st.integers(0, 10_000)
        | st.integers(0, LARGEST_SUM_MICROS)
        | st.integers(LARGEST_SUM_MICROS - 10, LARGEST_SUM_MICROS)
        | st.integers(0, 10**7).map(lambda number: 10 * number)
    ),
    conversion_probability=(
        st.sampled_from([None, None, 0.0, 1.0, 0.05, 0.5, 0.1, 1e-300, 5e-324, 1 / 3]) | st.floats(0, 1)
    ),
    conversion_value_micros=(
        st.none()
        | st.integers(0, 10_000)
        | st.integers(0, LARGEST_MICROS)
        | st.integers(0, 10**7).map(lambda number: 40 * number)
    ),
)


def _each(episodes: Sequence[Episode]) -> list[PenaltyAmount]:
    tables = [PenaltyTable(policy.penalty) for policy in _POLICIES]
    return [
        tables[one.policy].amount(
            total_cost_micros=one.total_cost_micros,
            state=one.state,
            reason="TIMEOUT" if one.is_timeout else "INACTIVITY",
            days=max(1, one.lasted_ms // DAY_MS),
            conversion_probability=one.conversion_probability,
            conversion_value_micros=one.conversion_value_micros,
        )
        for one in episodes
    ]


def _together(episodes: Sequence[Episode]) -> list[PenaltyAmount]:
    columns = JourneyColumns()
    numbers = np.array([columns.policies.number_of(policy) for policy in _POLICIES], np.int32)
    # Not in the order of their slots.
    slots = columns.new_slots([b"journey-%d" % number for number in range(len(episodes))])[::-1]
    policies, states, is_timeout, lasted_ms, costs_micros, probabilities, values_micros = zip(*episodes, strict=True)
    columns.policy[slots] = numbers[list(policies)]
    columns.state[slots] = [STATES.index(state) for state in states]
    columns.started_at[slots] = _AT
    columns.total_cost_micros[slots] = costs_micros
    columns.conversion_probability[slots] = np.array(probabilities, np.float64)
    columns.conversion_value_micros[slots] = [NONE if micros is None else micros for micros in values_micros]
    found = penalties_of(columns, slots, _AT + np.array(lasted_ms, np.int64), np.array(is_timeout))
    amounts = [PenaltyAmount(*one) for one in zip(*(field.tolist() for field in found), strict=True)]
    assert found.total_micros.tolist() == [one.total_micros for one in amounts]
    return amounts


@settings(max_examples=examples(1_000), deadline=None)
@given(st.lists(_episodes, min_size=1, max_size=30))
def test_penalties_are_those_of_each_by_itself(episodes: list[Episode]) -> None:
    """Under any policy, of any sums, also beyond what doubles hold: every component is the same."""
    assert _together(episodes) == _each(episodes)


def _halves() -> list[Episode]:
    """Each with an amount that is a half exactly, of odd hundreds at a rate of 0.145, and two that are beside one."""
    odd = [*range(1, 2_001, 2), *range(10**8 + 1, 10**8 + 2_001, 2), *range(10**10 + 1, 10**10 + 1_001, 2)]
    halves = next(place for place, policy in enumerate(_POLICIES) if policy.version == "halves")
    return [
        Episode(halves, "UNAWARE", True, DAY_MS, 100 * number + beside, 0.58, 100 * number + beside)
        for number in odd
        for beside in (-1, 0, 1)
    ]


def test_halves_are_rounded_to_even() -> None:
    """The double of one lies on either side of it."""
    episodes = _halves()
    assert all(one.total_cost_micros * Decimal("0.145") % 1 == Decimal("0.5") for one in episodes[1::3])
    assert _together(episodes) == _each(episodes)


@pytest.mark.parametrize(("bound", "nothing"), [("_DOUBTFUL", 0), ("_LARGEST_CERTAIN", 1e19)])
def test_doubles_alone_do_not_do(monkeypatch: pytest.MonkeyPatch, bound: str, nothing: float) -> None:
    """Without exact amounts beside halves, or for large sums, these tests would fail: they look where it matters."""
    episodes = _halves()
    if bound == "_LARGEST_CERTAIN":
        episodes = [Episode(0, "AWARE", True, DAY_MS, 2**62 - number, 0.1, LARGEST_MICROS) for number in range(1, 9)]
    monkeypatch.setattr(penalty_arrays, bound, nothing)
    assert _together(episodes) != _each(episodes)


@pytest.mark.parametrize("missing", [True, False])
def test_the_rows_stay_as_they_are(missing: bool) -> None:
    """Probabilities by default are the penalty's, not the row's."""
    columns = JourneyColumns()
    columns.policies.number_of(DEFAULT_POLICY)
    slots = columns.new_slots([b"one", b"two"])
    columns.conversion_probability[slots] = [0.5, np.nan if missing else 0.25]
    found = penalties_of(columns, slots, np.array([_AT, _AT]), np.array([True, False]))
    assert found.conversion_probability.tolist() == [0.5, 0.01 if missing else 0.25]
    kept = columns.conversion_probability[slots]
    assert kept[0] == 0.5
    assert np.isnan(kept[1]) == missing
