"""The rows of a partition as columns: of each field an array, and in it each journey's at the place of its slot.

A touchpoint looks at ten fields of a row and changes eight. As arrays those of thousands of touchpoints are looked
at together, and what lies in no cache is waited for together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from journeys.schemas.arrays import NONE, Floats, Hashes, Integers, Objects, objects
from journeys.schemas.records import CONVERTED, REASONS, STATES
from journeys.streams.policy_columns import PolicyColumns
from journeys.streams.rule.row import REMEMBERED_IDS, UNKNOWN_OFFSET
from journeys.streams.slot_index import SlotIndex, Slots, grown

OUTCOMES: Final = (*REASONS, CONVERTED)
NO_OUTCOME: Final = -1
UNAWARE: Final = STATES.index("UNAWARE")
_LEAST_GROWTH: Final = 1_024
# Memory of rows that are not there is waste, and each growth copies all that are.
_GROWTH: Final = 1 / 8

_OF_JOURNEY: Final = ("timeout_ms", "inactivity_ms", "budget_micros")
_OF_PREVIOUS: Final = ("previous_started_at", "previous_ended_at", "late_until", "previous_total_penalty_micros")
PLAIN: Final = (
    "offset",
    "record_offset",
    "started_at",
    "last_activity_at",
    "touchpoint_count",
    "total_cost_micros",
    "extended_by_ms",
)
NULLABLE: Final = (*_OF_JOURNEY, *_OF_PREVIOUS, "cleanup_at", "last_touchpoint_at", "conversion_value_micros")
_DERIVED: Final = ("lasts_ms", "inactivity_in_force_ms")
NUMBERS: Final = ("conversion_probability", "propensity")
_FLAGS: Final = ("exists", "open", "is_return", "is_watched", "is_changed")
_TEXTS: Final = ("journey_id", "user_id", "action_id", "touchpoint_policy_version")


class JourneyColumns:
    """Fields of `Row` by slot. What is not there is NONE, NaN or None; `touchpoint_times` only where there are some.

    A slot belongs to a journey as long as `slots` has it, and is a row as long as `exists` says so.
    """

    offset: Integers
    record_offset: Integers
    started_at: Integers
    last_activity_at: Integers
    touchpoint_count: Integers
    total_cost_micros: Integers
    extended_by_ms: Integers
    timeout_ms: Integers
    inactivity_ms: Integers
    budget_micros: Integers
    previous_started_at: Integers
    previous_ended_at: Integers
    late_until: Integers
    previous_total_penalty_micros: Integers
    cleanup_at: Integers
    last_touchpoint_at: Integers
    conversion_value_micros: Integers
    lasts_ms: Integers
    inactivity_in_force_ms: Integers
    conversion_probability: Floats
    propensity: Floats
    exists: NDArray[np.bool_]
    open: NDArray[np.bool_]
    is_return: NDArray[np.bool_]
    is_watched: NDArray[np.bool_]
    is_changed: NDArray[np.bool_]
    journey_id: Objects
    user_id: Objects
    action_id: Objects
    touchpoint_policy_version: Objects

    def __init__(self) -> None:
        self.slots: dict[bytes, int] = {}
        self.policies = PolicyColumns()
        self.row_count = 0
        self.open_count = 0
        self.touchpoint_times: dict[int, tuple[int, ...]] = {}
        self.recent_ids: NDArray[np.uint64] = np.empty((0, REMEMBERED_IDS), np.uint64)
        """Hashes of the last ids applied: a ring, whose next place is the count's."""
        self.id_count: NDArray[np.int8] = np.empty(0, np.int8)
        """Ids applied; from 8 on only their count modulo 8 is kept, and 8 more."""
        self.state: NDArray[np.int8] = np.empty(0, np.int8)
        self.previous_outcome: NDArray[np.int8] = np.empty(0, np.int8)
        self.policy: NDArray[np.int32] = np.empty(0, np.int32)
        self.deadlines = SlotIndex()
        self.cleanups = SlotIndex()
        for names, kind in _KINDS:
            for name in names:
                setattr(self, name, np.empty(0, kind))
        self._free: list[int] = []
        self._used = 0

    def new_slots(self, keys: Sequence[bytes]) -> Slots:
        """Slots for journeys that have none, of whom no row exists yet."""
        free, missing = self._free, len(keys) - len(self._free)
        if missing > 0:
            free.extend(range(self._used + missing - 1, self._used - 1, -1))
            self._used += missing
            self._grow(self._used)
        slots = [free.pop() for _ in keys]
        self.slots.update(zip(keys, slots, strict=True))
        found = np.array(slots, np.int64)
        self.journey_id[found] = objects(keys)
        self.clear(found)
        return found

    def _grow(self, size: int) -> None:
        known = len(self.offset)
        if size <= known:
            return
        size = max(size, known + max(_LEAST_GROWTH, int(known * _GROWTH)))
        for names, kind in _KINDS:
            for name in names:
                setattr(self, name, grown(getattr(self, name), size, _FILLED[kind]))
        self.id_count = grown(self.id_count, size, 0)
        self.state = grown(self.state, size, UNAWARE)
        self.previous_outcome = grown(self.previous_outcome, size, NO_OUTCOME)
        self.policy = grown(self.policy, size, 0)
        more = np.zeros((size - known, REMEMBERED_IDS), np.uint64)
        self.recent_ids = np.concatenate([self.recent_ids, more])
        self.deadlines.grow(size)
        self.cleanups.grow(size)

    def release(self, slots: Iterable[int]) -> None:
        """Let slots of which no row exists be used by other journeys."""
        for slot in slots:
            del self.slots[self.journey_id[slot]]
            self.journey_id[slot] = self.user_id[slot] = self.action_id[slot] = None
            self.deadlines.disarm(slot)
            self.cleanups.disarm(slot)
            self._free.append(slot)

    def clear(self, slots: Slots) -> None:
        """Make rows as they are before anything happened to their journeys."""
        self.offset[slots] = self.record_offset[slots] = UNKNOWN_OFFSET
        for name in (*_OF_JOURNEY, *_OF_PREVIOUS, "cleanup_at"):
            getattr(self, name)[slots] = NONE
        self.previous_outcome[slots] = NO_OUTCOME
        self.recent_ids[slots] = 0
        self.id_count[slots] = 0
        self.clear_episodes(slots)

    def clear_episodes(self, slots: Slots) -> None:
        """Set the episode's fields as they are while none is open."""
        self.open[slots] = self.is_return[slots] = self.is_watched[slots] = False
        for name in ("started_at", "last_activity_at", "touchpoint_count", "total_cost_micros", "extended_by_ms"):
            getattr(self, name)[slots] = 0
        self.lasts_ms[slots] = self.inactivity_in_force_ms[slots] = 0
        self.last_touchpoint_at[slots] = self.conversion_value_micros[slots] = NONE
        self.conversion_probability[slots] = self.propensity[slots] = np.nan
        self.state[slots] = UNAWARE
        self.user_id[slots] = self.action_id[slots] = self.touchpoint_policy_version[slots] = None
        if self.touchpoint_times:
            for slot in slots.tolist():
                self.touchpoint_times.pop(slot, None)

    def derive(self, slots: Slots) -> None:
        """Recompute for open rows what follows from overrides, extensions and the policy, as `Row.derive`."""
        of, numbers = self.policies, self.policy[slots]
        timeout_ms, inactivity_ms = self.timeout_ms[slots], self.inactivity_ms[slots]
        timeout_ms = np.where(timeout_ms == NONE, of.timeout_ms[numbers], timeout_ms)
        self.lasts_ms[slots] = np.minimum(timeout_ms + self.extended_by_ms[slots], of.longest_ms[numbers])
        inactivity_ms = np.where(inactivity_ms == NONE, of.inactivity_ms[numbers], inactivity_ms)
        self.inactivity_in_force_ms[slots] = inactivity_ms
        self.is_watched[slots] = of.keeps_touchpoint_times[numbers]

    def budgets_micros(self, slots: Slots) -> Integers:
        """Budgets in force in open rows, NO_BUDGET where there is none."""
        own = self.budget_micros[slots]
        budgets: Integers = np.where(own == NONE, self.policies.budget_micros[self.policy[slots]], own)
        return budgets

    def deadlines_at(self, slots: Slots) -> Integers:
        """Deadlines of open rows."""
        inactive_at = self.last_activity_at[slots] + self.inactivity_in_force_ms[slots]
        deadlines_at: Integers = np.minimum(self.started_at[slots] + self.lasts_ms[slots], inactive_at)
        return deadlines_at

    def due_at(self, slots: Slots) -> Integers:
        """Clock at which a punctuation fires open rows."""
        return self.deadlines_at(slots) + self.graces_ms(slots)

    def graces_ms(self, slots: Slots) -> Integers:
        """Grace of each row's policy."""
        return self.policies.grace_ms[self.policy[slots]]

    def forgotten_at(self, slots: Slots) -> Integers:
        """Clock at which rows that have ended may be deleted."""
        return self.cleanup_at[slots] + self.graces_ms(slots)

    def file(self, slots: Slots) -> None:
        """See to the entries of rows in the indexes."""
        is_open = self.open[slots]
        opened = slots[is_open]
        if len(opened):
            self.deadlines.file(opened, self.due_at(opened))
        ended = slots[~is_open]
        ended = ended[self.cleanup_at[ended] != NONE]
        if len(ended):
            self.cleanups.file(ended, self.forgotten_at(ended))

    def drop(self, slots: Iterable[int]) -> None:
        """Have no row in slots any more; they stay their journeys' until they are released."""
        for slot in slots:
            self.row_count -= 1
            self.open_count -= int(self.open[slot])
            self.exists[slot] = self.open[slot] = False

    def remember(self, slots: Slots, id_hashes: Hashes) -> None:
        """Add an applied id to each of many rows; the oldest of more than 8 goes."""
        counts = self.id_count[slots]
        self.recent_ids[slots, counts % REMEMBERED_IDS] = id_hashes
        self.id_count[slots] = np.where(counts == 2 * REMEMBERED_IDS - 1, REMEMBERED_IDS, counts + 1)


_KINDS: Final[tuple[tuple[tuple[str, ...], Any], ...]] = (
    ((*PLAIN, *NULLABLE, *_DERIVED), np.int64),
    (NUMBERS, np.float64),
    (_FLAGS, np.bool_),
    (_TEXTS, np.object_),
)
_FILLED: Final[dict[Any, Any]] = {np.int64: 0, np.float64: np.nan, np.bool_: False, np.object_: None}
