"""Silences of a history: from each touchpoint of a journey to its next, whatever a policy would have made of them.

By time, once per id. A conversion ends the journey's chain: behind it no silence begins. What somebody ended by hand
or by a signal competes; the end of the data leaves a silence open (censored).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from journeys.analytics.survival import Array, SurvivalCurve, kaplan_meier
from journeys.schemas.records import CONVERTED, STATES

# How a silence ended.
OPEN: Final = 0  # not before the data did
RETURNED: Final = 1  # by a touchpoint
CONVERTED_AT_ONCE: Final = 2  # by a touchpoint that converts
ENDED: Final = 3  # by an explicit end

_TOUCHPOINT: Final = 0
_ENDS: Final = (2, 3)  # kinds of packed records: signal, abandon
_CONVERTED_CODE: Final = STATES.index(CONVERTED) + 1


@dataclass(frozen=True, slots=True)
class Silences:
    """Rows of equal length, by journey and time; instants and ages in ms.

    `age` is how long the silence lasted, or has lasted so far. `gap` goes to the journey's next touchpoint, behind an
    explicit end, too; -1 without one. `added` touchpoints came to the journey since the row before. `state` and
    `segment` are numbers: the place in STATES, the place in `segments` or -1. Rows with `is_silence` False stand for
    conversions: no silence follows, but the journey may be forgotten before its next touchpoint. `end_at` is where the
    data end.
    """

    journey: Array
    begin: Array
    age: Array
    gap: Array
    ending: Array
    added: Array
    state: Array
    segment: Array
    is_silence: Array
    segments: tuple[str, ...]
    end_at: int

    def __len__(self) -> int:
        return len(self.begin)

    def of(self, rows: Array) -> Silences:
        """Some of the rows: a mask, or places."""
        picked = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return Silences(**picked, segments=self.segments, end_at=self.end_at)

    @property
    def came_back(self) -> Array:
        """Which silences a touchpoint ended, one that converts included: an end before it would have been wrong."""
        back: Array = (self.ending == RETURNED) | (self.ending == CONVERTED_AT_ONCE)
        return back

    def curve(self) -> SurvivalCurve:
        """Survival of these silences; explicit ends compete."""
        return kaplan_meier(self.age, self.came_back, self.ending == ENDED)

    def known_by(self, at: int) -> Silences:
        """The same as it was known at an instant: what came from then on is not seen."""
        begun = self.of(self.begin < at)
        left = at - begun.begin
        is_open = begun.is_silence & (begun.age >= left)
        return Silences(
            **{name: getattr(begun, name) for name in _COLUMNS if name not in ("age", "gap", "ending")},
            age=np.where(is_open, left, begun.age),
            gap=np.where(begun.gap >= left, -1, begun.gap),
            ending=np.where(is_open, np.uint8(OPEN), begun.ending),
            segments=self.segments,
            end_at=at,
        )


_COLUMNS: Final = tuple(field.name for field in fields(Silences) if field.name not in ("segments", "end_at"))


def silences_of(
    journey: Array,
    occurred_at: Array,
    kind: Array,
    state: Array,
    segment: Array,
    *,
    end_at: int,
    segments: Sequence[str] = (),
) -> Silences:
    """Silences of records, journey by journey, each in the order of the log and once per id.

    `kind` and `state` are those of packed history (docs/backtest.md), `segment` places in `segments` or -1.
    """
    order = np.lexsort((occurred_at, journey))
    journey, occurred_at, kind, state, segment = (one[order] for one in (journey, occurred_at, kind, state, segment))
    is_touchpoint = kind == _TOUCHPOINT
    first_end = _next_end_at(journey, occurred_at, np.isin(kind, _ENDS))[is_touchpoint]
    journey, occurred_at, state, segment = (one[is_touchpoint] for one in (journey, occurred_at, state, segment))
    converts = state == _CONVERTED_CODE
    # What stands behind a conversion of its own instant is late: no touchpoint of the journey.
    converted_at = _last_given(np.where(converts, occurred_at, -1), journey, missing=-1)
    again = np.append(False, converts[:-1] & (journey[1:] == journey[:-1]) & (occurred_at[1:] == occurred_at[:-1]))
    taken = (converts & ~again[: len(converts)]) | (converted_at != occurred_at)
    first_end, converts = first_end[taken], converts[taken]
    journey, occurred_at, state, segment = (one[taken] for one in (journey, occurred_at, state, segment))
    chain = _chains(journey, converts)
    state = np.maximum(_last_given(state.astype(np.int64), chain, missing=0), 1) - 1
    segment = _last_given(segment.astype(np.int64), journey, missing=-1)

    is_last = _ends_of(journey)
    gap = np.where(is_last, -1, np.diff(occurred_at, append=0))
    age = np.where(is_last, end_at - occurred_at, gap)
    ending = np.where(is_last, OPEN, np.where(np.append(converts[1:], False), CONVERTED_AT_ONCE, RETURNED))
    is_ended = (first_end >= 0) & ((first_end < occurred_at + age) | (is_last & (first_end <= end_at)))
    age = np.where(is_ended, first_end - occurred_at, age)
    ending = np.where(is_ended, ENDED, ending)
    # What came at one instant counts together: only its last touchpoint is followed by a silence.
    kept = (gap != 0) | converts
    places = np.flatnonzero(kept)
    begins = ~np.append(False, journey[1:] == journey[:-1])
    number = np.arange(1, len(journey) + 1) - np.maximum.accumulate(np.where(begins, np.arange(len(journey)), 0))
    before = np.append(0, number[places][:-1])
    same = np.append(False, journey[places][1:] == journey[places][:-1]) if len(places) else np.zeros(0, bool)
    return Silences(
        journey=journey[places],
        begin=occurred_at[places],
        age=age[places],
        gap=gap[places],
        ending=ending[places].astype(np.uint8),
        added=(number[places] - np.where(same, before[: len(places)], 0)).astype(np.int64),
        state=state[places].astype(np.uint8),
        segment=segment[places].astype(np.int32),
        is_silence=~converts[places],
        segments=tuple(segments),
        end_at=end_at,
    )


def concatenated(parts: Sequence[Silences], segments: Sequence[str], end_at: int) -> Silences:
    """Silences of several groups of journeys, whose numbers differ."""
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    return Silences(**columns, segments=tuple(segments), end_at=end_at)


def touchpoints_so_far(silences: Silences, threshold: Array, cleanup: int) -> Array:
    """Touchpoints of the journey at each row, as the rule counts them: anew where the journey was forgotten.

    `threshold` is the inactivity threshold in force in each row. A row forgets the journey if the next touchpoint comes
    `cleanup` or more behind its end.
    """
    ended_after = np.where(silences.ending == ENDED, np.minimum(threshold, silences.age), threshold)
    ended_after = np.where(silences.is_silence, ended_after, 0)
    forgets = (silences.gap >= 0) & (silences.gap >= ended_after + cleanup)
    begins = np.append(True, (silences.journey[1:] != silences.journey[:-1]) | forgets[:-1])[: len(silences)]
    total: Array = np.cumsum(silences.added)
    earlier = np.where(begins, total - silences.added, 0)
    return total - np.maximum.accumulate(earlier) if len(total) else total


def _next_end_at(journey: Array, occurred_at: Array, is_end: Array) -> Array:
    """Instant of the journey's next explicit end at or after each record in its order; -1 without one."""
    places = np.where(is_end, np.arange(len(journey)), len(journey))
    following = np.minimum.accumulate(places[::-1])[::-1]
    safe = np.minimum(following, max(len(journey) - 1, 0))
    found = (following < len(journey)) & (journey[safe] == journey)
    return np.where(found, occurred_at[safe], -1) if len(journey) else np.zeros(0, np.int64)


def _chains(journey: Array, converts: Array) -> Array:
    """Number of the chain of each touchpoint: another one begins with each journey and behind each conversion."""
    begins = np.append(True, (journey[1:] != journey[:-1]) | converts[:-1])[: len(journey)]
    return np.cumsum(begins)


def _last_given(values: Array, group: Array, *, missing: int) -> Array:
    """The last value that was given in the group so far, else `missing`."""
    places = np.where(values != missing, np.arange(len(values)), -1)
    last = np.maximum.accumulate(places)
    safe = np.maximum(last, 0)
    return np.where((last >= 0) & (group[safe] == group), values[safe], missing) if len(values) else values


def _ends_of(journey: Array) -> Array:
    return np.append(journey[1:] != journey[:-1], True)[: len(journey)]
