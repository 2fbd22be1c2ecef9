"""Touchpoints that only count in their episodes, all of a journey at once, however many it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from journeys.schemas.arrays import NONE, Hashes, Integers, taken
from journeys.schemas.money import LARGEST_SUM_MICROS
from journeys.schemas.records import CONVERTED, STATES
from journeys.schemas.touchpoint_arrays import NO_STATE, TouchpointArrays
from journeys.streams.journey_columns import JourneyColumns
from journeys.streams.punctuations import Punctuations
from journeys.streams.rule.row import REMEMBERED_IDS
from journeys.streams.slot_index import Slots

_CONVERTED: Final = STATES.index(CONVERTED)


class CountingRun(NamedTuple):
    """Touchpoints in the order of their slots, those of a slot in the order of the log."""

    touchpoints: TouchpointArrays
    places: Integers
    slots: Slots
    offsets: Integers
    at: Integers
    id_hashes: Hashes
    cost_micros: Integers

    @classmethod
    def of(cls, touchpoints: TouchpointArrays, offsets: Integers, places: Integers, slots: Slots) -> CountingRun:
        """Touchpoints at places, whose order is that of their slots."""
        return cls(
            touchpoints,
            places,
            slots,
            offsets[places],
            touchpoints.occurred_at[places],
            touchpoints.id_hashes[places],
            touchpoints.cost_micros[places],
        )

    def part(self, wanted: NDArray[np.bool_]) -> CountingRun:
        """Some of them."""
        parts: Any = (array[wanted] for array in self[1:])
        return CountingRun(self.touchpoints, *parts)

    def only_count(
        self, columns: JourneyColumns, punctuations: Punctuations, before: Integers, clocks: Integers
    ) -> NDArray[np.bool_]:
        """Which ones do, as do all of their journey in front of them: as `decide.only_counts`, and in order of time.

        `before` has how many punctuations stand before each, `clocks` the clock at each (ms).
        """
        slots, at = self.slots, self.at
        is_first = firsts(slots)
        previous_at = np.where(is_first, columns.last_activity_at[slots], np.roll(at, 1))
        previous_offsets = np.where(is_first, columns.offset[slots], np.roll(self.offsets, 1))
        inactive_at = previous_at + columns.inactivity_in_force_ms[slots]
        deadlines_at = np.minimum(columns.started_at[slots] + columns.lasts_ms[slots], inactive_at)
        counts = columns.open[slots] & ~columns.is_watched[slots] & (self.offsets > previous_offsets)
        counts &= (at >= previous_at) & (at < deadlines_at) & (at > columns.late_until[slots])
        counts &= self.touchpoints.states[self.places] != _CONVERTED
        if punctuations.count:
            due_at = deadlines_at + columns.graces_ms(slots)
            counts &= (due_at > clocks) | (punctuations.first(due_at, previous_offsets) >= before)
        counts &= (columns.recent_ids[slots] != self.id_hashes[:, None]).all(axis=1) & ~self._are_repeated()
        counts &= self._costs_so_far(columns, is_first) < columns.budgets_micros(slots)
        only: NDArray[np.bool_] = _sums_so_far((~counts).astype(np.int64), is_first) == 0
        return only

    def _are_repeated(self) -> NDArray[np.bool_]:
        """Whether one with the same id stands in front of each."""
        order = np.lexsort((self.id_hashes, self.slots))
        slots, hashes = self.slots[order], self.id_hashes[order]
        repeated = np.zeros(len(order), np.bool_)
        repeated[order[1:]] = (slots[1:] == slots[:-1]) & (hashes[1:] == hashes[:-1])
        return repeated

    def _costs_so_far(self, columns: JourneyColumns, is_first: NDArray[np.bool_]) -> Integers:
        """Cost of each one's episode with it; more than any budget where the sum of all might leave 64 bits."""
        if float(self.cost_micros.sum(dtype=np.float64)) > LARGEST_SUM_MICROS:
            return np.full(len(self.slots), LARGEST_SUM_MICROS * 2 + 1)
        return columns.total_cost_micros[self.slots] + _sums_so_far(self.cost_micros, is_first)

    def apply(self, columns: JourneyColumns) -> None:
        """Count them, all of which only count."""
        begins = np.flatnonzero(firsts(self.slots))
        ends = np.append(begins[1:], len(self.slots)) - 1
        slots, latest_at = self.slots[begins], self.at[ends]
        columns.offset[slots] = columns.record_offset[slots] = self.offsets[ends]
        columns.touchpoint_count[slots] += ends - begins + 1
        total_micros = columns.total_cost_micros[slots] + np.add.reduceat(self.cost_micros, begins)
        columns.total_cost_micros[slots] = np.minimum(total_micros, LARGEST_SUM_MICROS)
        columns.last_touchpoint_at[slots] = columns.last_activity_at[slots] = latest_at
        self._remember(columns, begins, ends)
        for column, values, there in last_values(columns, self.touchpoints, self.places):
            last = np.maximum.reduceat(np.where(there, np.arange(len(there)), -1), begins)
            is_there = last >= 0
            column[slots[is_there]] = values[self.places[last[is_there]]]

    def _remember(self, columns: JourneyColumns, begins: Integers, ends: Integers) -> None:
        """Add their ids to those of their rows, of each row the last 8."""
        lengths = ends - begins + 1
        counts = columns.id_count[self.slots[begins]].astype(np.int64)
        places = np.arange(len(self.slots)) - np.repeat(begins, lengths)
        kept = places >= np.repeat(lengths, lengths) - REMEMBERED_IDS
        ring = (np.repeat(counts, lengths) + places) % REMEMBERED_IDS
        columns.recent_ids[self.slots[kept], ring[kept]] = self.id_hashes[kept]
        sums = counts + lengths
        columns.id_count[self.slots[begins]] = np.where(
            sums >= REMEMBERED_IDS, REMEMBERED_IDS + sums % REMEMBERED_IDS, sums
        )


def firsts(slots: Slots) -> NDArray[np.bool_]:
    """Which of slots in their order are not that in front of them."""
    is_first = np.ones(len(slots), np.bool_)
    np.not_equal(slots[1:], slots[:-1], out=is_first[1:])
    return is_first


def _sums_so_far(values: Integers, is_first: NDArray[np.bool_]) -> Integers:
    """For each value the sum from the first of its slot on, with it."""
    sums = np.cumsum(values)
    begins = np.flatnonzero(is_first)
    sums_before = (sums - values)[begins]
    return sums - np.repeat(sums_before, np.diff(np.append(begins, len(sums))))


class _Texts:
    """Texts that are an Arrow array, as one of objects: few of them are ever looked at."""

    def __init__(self, texts: Any) -> None:
        self._texts = texts

    def __getitem__(self, places: Integers) -> Any:
        return taken(self._texts, places)


def last_values(
    columns: JourneyColumns, of: TouchpointArrays, places: Integers
) -> Iterator[tuple[Any, Any, NDArray[np.bool_]]]:
    """What the latest touchpoint gives: columns, values, and at which places there is one. What is absent stays."""
    yield columns.state, of.states, of.states[places] != NO_STATE
    values_micros = of.conversion_value_micros
    yield columns.conversion_value_micros, values_micros, values_micros[places] != NONE
    for column, numbers in (
        (columns.conversion_probability, of.conversion_probabilities),
        (columns.propensity, of.propensities),
    ):
        yield column, numbers, ~np.isnan(numbers[places])
    versions = of.policy_versions
    yield columns.touchpoint_policy_version, versions, versions[places] != None  # noqa: E711  (of each)
    has_action_id = of.has_action_id[places]
    if has_action_id.any():
        yield columns.action_id, _Texts(of.action_ids), has_action_id
