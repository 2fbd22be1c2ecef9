"""Episodes that end, many at once."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from journeys.schemas.arrays import Codes, Integers
from journeys.streams.abandoned_episodes import AbandonedEpisodes
from journeys.streams.journey_columns import OUTCOMES, JourneyColumns
from journeys.streams.partition.abandonment_tally import DELAY_BOUNDS_MS, Tally
from journeys.streams.penalty_arrays import penalties_of
from journeys.streams.slot_index import Slots

_INACTIVITY: Final = OUTCOMES.index("INACTIVITY")
_TIMEOUT: Final = OUTCOMES.index("TIMEOUT")


def abandon_due(
    columns: JourneyColumns, slots: Slots, deadlines_at: Integers, offsets: Integers, clocks: Integers, tally: Tally
) -> AbandonedEpisodes:
    """Abandon open episodes at their deadlines, found out by punctuations at these offsets and clocks (ms)."""
    is_timeout: NDArray[np.bool_] = columns.started_at[slots] + columns.lasts_ms[slots] == deadlines_at
    penalties = penalties_of(columns, slots, deadlines_at, is_timeout)
    said = AbandonedEpisodes.of(columns, slots, deadlines_at, offsets, clocks, is_timeout, penalties)
    total_micros = penalties.total_micros
    _book(tally, is_timeout, total_micros, clocks - deadlines_at)
    outcomes = np.where(is_timeout, _TIMEOUT, _INACTIVITY).astype(np.int8)
    close(columns, slots, deadlines_at, deadlines_at - 1, outcomes, total_micros)
    columns.offset[slots] = offsets
    return said


def close(
    columns: JourneyColumns,
    slots: Slots,
    ended_at: Integers,
    late_until: Integers,
    outcomes: Codes,
    penalties_micros: Integers,
) -> None:
    """Close open episodes: they become the previous ones."""
    columns.previous_started_at[slots] = columns.started_at[slots]
    columns.previous_ended_at[slots] = ended_at
    columns.late_until[slots] = late_until
    columns.previous_outcome[slots] = outcomes
    columns.previous_total_penalty_micros[slots] = penalties_micros
    columns.cleanup_at[slots] = ended_at + columns.policies.cleanup_ms[columns.policy[slots]]
    columns.clear_episodes(slots)
    columns.open_count -= len(slots)
    columns.file(slots)


def _book(tally: Tally, is_timeout: NDArray[np.bool_], total_micros: Integers, delays_ms: Integers) -> None:
    timeouts = int(np.count_nonzero(is_timeout))
    by_reason = Counter({"TIMEOUT": timeouts, "INACTIVITY": len(is_timeout) - timeouts})
    delays = [0] * (len(DELAY_BOUNDS_MS) + 1)
    for delay_ms in delays_ms.tolist():
        delays[bisect_left(DELAY_BOUNDS_MS, delay_ms)] += 1
    # Sums of Python's integers: they do not end at 64 bits.
    tally.counted(+by_reason, sum(total_micros.tolist()), delays, sum(delays_ms.tolist()))
