"""Punctuations of a stretch of the log, and which of them comes first for many rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from journeys.schemas.arrays import Integers


@dataclass(frozen=True, slots=True)
class Punctuations:
    """Their offsets, and the clock from each of them on (ms)."""

    offsets: Integers
    clocks: Integers

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.offsets)

    def first(self, at: Integers, offsets: Integers) -> NDArray[np.intp]:
        """For each row the number of the first that has come to an instant and stands behind an offset; else `count`.

        A row that a crash left ahead of a punctuation is none of its business.
        """
        return np.maximum(np.searchsorted(self.clocks, at), np.searchsorted(self.offsets, offsets, side="right"))
