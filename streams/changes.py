"""Rows that are changed and not stored yet, in the order in which they changed first."""

from __future__ import annotations

import numpy as np

from journeys.schemas.arrays import Integers
from journeys.streams.journey_columns import JourneyColumns
from journeys.streams.slot_index import Slots


class Changes:
    """Their slots."""

    def __init__(self) -> None:
        self._found: list[tuple[Slots, Integers]] = []
        self._ended: list[tuple[int, int, bytes, int]] = []

    def add(self, columns: JourneyColumns, slots: Slots, offsets: Integers) -> None:
        """Rows were changed by records at these offsets."""
        first = ~columns.is_changed[slots]
        if first.any():
            columns.is_changed[slots] = True
            self._found.append((slots[first], offsets[first]))

    def add_ended(self, columns: JourneyColumns, slots: Slots, offsets: Integers, deadlines_at: Integers) -> None:
        """Rows were changed by punctuations, each of which takes deadlines in their order."""
        first = ~columns.is_changed[slots]
        if first.any():
            columns.is_changed[slots] = True
            new = slots[first]
            keys = columns.journey_id[new]
            self._ended += zip(offsets[first].tolist(), deadlines_at[first].tolist(), keys, new.tolist(), strict=True)

    def in_order(self) -> Slots:
        """All of them."""
        self._ended.sort()
        slots = [*(slots for slots, _ in self._found), np.array([slot for *_, slot in self._ended], np.int64)]
        offsets = [*(offsets for _, offsets in self._found), np.array([offset for offset, *_ in self._ended], np.int64)]
        found: Slots = np.concatenate(slots)[np.argsort(np.concatenate(offsets), kind="stable")]
        return found
