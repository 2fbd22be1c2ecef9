"""A segment of the log: touchpoints, and punctuations between and behind them, applied to rows as columns.

Journeys know nothing of each other. So the first touchpoints of all journeys are applied together; then, journey by
journey, those that only count; then the next ones, of all that have some left. A touchpoint that stands behind a
punctuation which fires its journey finds that out, and has it fired first; what no touchpoint finds is fired last.
What `decide` has to say of a touchpoint that counts in an episode, begins one or converts stands here once more, for
arrays; every other touchpoint is the reference's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from journeys.schemas.arrays import NONE, Integers, taken
from journeys.schemas.money import LARGEST_SUM_MICROS
from journeys.schemas.records import CONVERTED, STATES
from journeys.schemas.touchpoint_arrays import TouchpointArrays
from journeys.streams.changes import Changes
from journeys.streams.columnar_partition import ColumnarPartition
from journeys.streams.counting_run import CountingRun, firsts, last_values
from journeys.streams.ends import abandon_due, close
from journeys.streams.gathered_outputs import GatheredOutputs
from journeys.streams.journey_columns import NO_OUTCOME, OUTCOMES
from journeys.streams.lifecycle_records import LifecycleRecords
from journeys.streams.partition.effects import Effects
from journeys.streams.policy_columns import NO_BUDGET
from journeys.streams.punctuations import Punctuations
from journeys.streams.slot_index import Slots

_CONVERTED: Final = STATES.index(CONVERTED)
_CONVERSION: Final = OUTCOMES.index(CONVERTED)
# A round looks at all that are left, in a hundredth of the time that the reference takes for them.
_ROUNDS_WORTHWHILE: Final = 100


class Segment:
    """One segment, to be applied once."""

    def __init__(
        self,
        partition: ColumnarPartition,
        touchpoints: TouchpointArrays,
        slots: Slots,
        offsets: Integers,
        punctuations: Punctuations,
        effects: Effects,
        outputs: GatheredOutputs,
        changes: Changes,
    ) -> None:
        self._partition = partition
        self._columns = partition.columns
        self._touchpoints = touchpoints
        self._slots = slots
        self._offsets = offsets
        self._punctuations = punctuations
        self._effects = effects
        self._outputs = outputs
        self._changes = changes
        begin = NONE if partition.clock is None else partition.clock
        self._before = np.searchsorted(punctuations.offsets, offsets)
        """How many punctuations stand before each touchpoint."""
        self._clocks: Integers = np.concatenate([[begin], punctuations.clocks])[self._before]
        """Clock at each touchpoint, NONE without one."""

    def apply(self, by_reference: Callable[[int], None], fewest: int) -> None:
        """Apply it. `by_reference` applies the touchpoint of a place to its row as the reference does.

        So go all that are less than `fewest` at once, and what is left when a round gets through few of many: it may be
        one id of one journey, a thousand times.
        """
        left = np.argsort(self._slots, kind="stable")
        done = len(left)
        while len(left) >= fewest and done >= fewest + len(left) // _ROUNDS_WORTHWHILE:
            done = len(left)
            is_first = firsts(self._slots[left])
            first = left[is_first]
            self._refer(self._apply_round(first, self._slots[first]), by_reference)
            left = left[~is_first]
            if len(left):
                left = left[~self._count_all(left)]
            done -= len(left)
        self._refer(left, by_reference)
        self.punctuate()

    def _refer(self, places: Integers, by_reference: Callable[[int], None]) -> None:
        """Leave touchpoints to the reference."""
        for place in np.sort(places).tolist():
            self._fire_before(np.array([place]), self._slots[place : place + 1])
            by_reference(place)

    def _count_all(self, places: Integers) -> NDArray[np.bool_]:
        """Count touchpoints, journey by journey, as long as each journey's only count; gives which those are."""
        slots = self._slots[places]
        run = CountingRun.of(self._touchpoints, self._offsets, places, slots)
        counted = run.only_count(self._columns, self._punctuations, self._before[places], self._clocks[places])
        if counted.any():
            run = run.part(counted)
            run.apply(self._columns)
            begins = firsts(run.slots)
            self._changes.add(self._columns, run.slots[begins], run.offsets[begins])
            self._effects.counts.applied += len(run.slots)
        return counted

    def clock(self, place: int) -> int | None:
        """Clock at a touchpoint; None without one."""
        clock = int(self._clocks[place])
        return None if clock == NONE else clock

    def _apply_round(self, places: Integers, slots: Slots) -> Integers:
        """Apply touchpoints of as many journeys; gives the places of those that are left to the reference."""
        columns, counts = self._columns, self._effects.counts
        fresh = self._offsets[places] > columns.offset[slots]
        if not fresh.all():  # a row that a crash left ahead
            counts.skipped += int(np.count_nonzero(~fresh))
            places, slots = places[fresh], slots[fresh]
        self._fire_before(places, slots)
        touchpoints, clocks = self._touchpoints, self._clocks[places]
        at, hashes = touchpoints.occurred_at[places], touchpoints.id_hashes[places]
        converts = touchpoints.states[places] == _CONVERTED
        is_known = (columns.recent_ids[slots] == hashes[:, None]).any(axis=1)
        is_open = columns.open[slots]
        is_late = at <= columns.late_until[slots]
        in_time = is_open & (at < columns.deadlines_at(slots))
        total_micros = columns.total_cost_micros[slots] + touchpoints.cost_micros[places]
        counts_only = in_time & ~is_known & ~is_late & ~columns.is_watched[slots]
        counts_only &= converts | (total_micros < columns.budgets_micros(slots))
        is_duplicate = in_time & is_known
        begins = np.zeros(len(places), np.bool_)
        if not is_open.all():
            as_new = ~is_open & self._count_as_absent(slots, at, clocks)
            ended = ~is_open & ~as_new
            is_duplicate |= ended & is_known
            begins = np.where(as_new, at > self._forgotten_until(clocks), ended & ~is_known & ~is_late)
            begins &= self._only_begins(slots, as_new, touchpoints.cost_micros[places], converts)
            if begins.any():
                self._begin(places[begins], slots[begins], as_new[begins], converts[begins])
        is_duplicate &= hashes != 0  # which stands in places where there is none
        counts.duplicate += int(np.count_nonzero(is_duplicate))
        applies = counts_only | begins
        self._count(places[applies], slots[applies])
        converts &= applies
        if converts.any():
            self._convert(places[converts], slots[converts])
        left: Integers = places[~(applies | is_duplicate)]
        return left

    def _fire_before(self, places: Integers, slots: Slots) -> None:
        """Fire journeys that are due at punctuations which stand before their touchpoints."""
        if not self._punctuations.count:
            return
        candidates = np.flatnonzero(self._columns.open[slots] & (self._before[places] > 0))
        if len(candidates):
            slots, before = slots[candidates], self._before[places[candidates]]
            deadlines_at = self._columns.deadlines_at(slots)
            number = self._firing(slots, deadlines_at)
            fires = number < before
            if fires.any():
                self._end(slots[fires], deadlines_at[fires], number[fires])

    def _firing(self, slots: Slots, deadlines_at: Integers) -> NDArray[np.intp]:
        """Number of the punctuation that fires each row."""
        return self._punctuations.first(deadlines_at + self._columns.graces_ms(slots), self._columns.offset[slots])

    def _end(self, slots: Slots, deadlines_at: Integers, number: NDArray[np.intp]) -> None:
        offsets, clocks = self._punctuations.offsets[number], self._punctuations.clocks[number]
        booked = self._effects.booked
        assert booked is not None
        self._outputs.abandoned.append(abandon_due(self._columns, slots, deadlines_at, offsets, clocks, booked))
        self._changes.add_ended(self._columns, slots, offsets, deadlines_at)

    def _count_as_absent(self, slots: Slots, at: Integers, clocks: Integers) -> NDArray[np.bool_]:
        """Whether journeys without an open episode have no row, or one that counts as none."""
        columns = self._columns
        cleanup_at = columns.cleanup_at[slots]
        is_over = (at >= cleanup_at) | (columns.forgotten_at(slots) <= clocks)
        is_absent: NDArray[np.bool_] = ~columns.exists[slots] | ((cleanup_at != NONE) & is_over)
        return is_absent

    def _forgotten_until(self, clocks: Integers) -> Integers:
        """Latest instant that a touchpoint of an unknown journey is too late for, as `Partition.forgotten_until`."""
        shortest_ms = min(policy.cleanup_ms for policy in self._partition.policies.values())
        return np.where(clocks == NONE, NONE, clocks - shortest_ms)

    def _only_begins(
        self, slots: Slots, as_new: NDArray[np.bool_], cost_micros: Integers, converts: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Whether no rule ends an episode at its first touchpoint, but that it converts."""
        policy = self._partition.policy
        if policy.keeps_touchpoint_times:
            return np.zeros(len(slots), np.bool_)
        budget_micros = self._columns.budget_micros[slots]
        none = as_new | (budget_micros == NONE)
        in_force = NO_BUDGET if policy.budget_micros is None else policy.budget_micros
        only: NDArray[np.bool_] = converts | (cost_micros < np.where(none, in_force, budget_micros))
        return only

    def _begin(self, places: Integers, slots: Slots, as_new: NDArray[np.bool_], converts: NDArray[np.bool_]) -> None:
        """Open episodes, for their touchpoints to be counted in them."""
        columns, touchpoints, effects = self._columns, self._touchpoints, self._effects
        new = slots[as_new]
        columns.row_count += int(np.count_nonzero(~columns.exists[new]))
        columns.clear(new)
        columns.exists[new] = columns.open[slots] = True
        at = touchpoints.occurred_at[places]
        columns.started_at[slots] = columns.last_activity_at[slots] = at
        columns.policy[slots] = columns.policies.number_of(self._partition.policy)
        columns.user_id[slots] = taken(touchpoints.user_ids, places)
        columns.cleanup_at[slots] = NONE
        outcomes = columns.previous_outcome[slots]
        columns.is_return[slots] = (outcomes != NO_OUTCOME) & (outcomes != _CONVERSION)
        columns.derive(slots)
        columns.open_count += len(slots)
        columns.file(slots)
        detected_at = np.maximum(at, self._clocks[places])
        names = touchpoints.touchpoint_ids[places]
        said = LifecycleRecords.begun(columns, slots, self._offsets[places], detected_at, names, converts)
        self._outputs.lifecycle.append(said)
        if effects.forgotten:
            for key in columns.journey_id[slots]:
                effects.forgotten.pop(key.decode(), None)

    def _convert(self, places: Integers, slots: Slots) -> None:
        """End episodes by touchpoints that are counted in them already."""
        columns, offsets, at = self._columns, self._offsets[places], self._touchpoints.occurred_at[places]
        ended_at = columns.last_activity_at[slots]
        detected_at = np.maximum(at, self._clocks[places])
        names = self._touchpoints.touchpoint_ids[places]
        said = LifecycleRecords.converted(columns, slots, offsets, ended_at, detected_at, names)
        self._outputs.lifecycle.append(said)
        quiet_ms = columns.policies.quiet_period_ms[columns.policy[slots]]
        none = np.full(len(slots), NONE)
        close(columns, slots, ended_at, ended_at + quiet_ms, np.full(len(slots), _CONVERSION, np.int8), none)

    def _count(self, places: Integers, slots: Slots) -> None:
        """Count touchpoints in their open episodes, as `apply_touchpoint`."""
        columns, touchpoints = self._columns, self._touchpoints
        offsets, at = self._offsets[places], touchpoints.occurred_at[places]
        columns.offset[slots] = columns.record_offset[slots] = offsets
        columns.touchpoint_count[slots] += 1
        total_micros = columns.total_cost_micros[slots] + touchpoints.cost_micros[places]
        columns.total_cost_micros[slots] = np.minimum(total_micros, LARGEST_SUM_MICROS)
        columns.remember(slots, touchpoints.id_hashes[places])
        self._changes.add(columns, slots, offsets)
        self._effects.counts.applied += len(places)
        is_latest = at >= columns.last_touchpoint_at[slots]
        if not is_latest.all():
            places, slots, at = places[is_latest], slots[is_latest], at[is_latest]
        columns.last_touchpoint_at[slots] = at
        columns.last_activity_at[slots] = np.maximum(columns.last_activity_at[slots], at)
        for column, values, there in last_values(columns, touchpoints, places):
            column[slots[there]] = values[places[there]]

    def punctuate(self) -> None:
        """Fire what is due at the last punctuation and was not fired, and clean up; the touchpoints are applied."""
        if not self._punctuations.count:
            return
        partition = self._partition
        clock = int(self._punctuations.clocks[-1])
        slots, deadlines_at = partition.due_slots(clock)
        if len(slots):
            number = self._firing(slots, deadlines_at)
            fires = number < self._punctuations.count
            self._columns.file(slots[~fires])  # rows that a crash left ahead
            if fires.any():
                self._end(slots[fires], deadlines_at[fires], number[fires])
        partition.clock = clock
        self._effects.forgotten.update(partition.forget_at(self._punctuations))
