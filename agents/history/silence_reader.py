"""Silences of a packed history, and what policies make of each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from journeys.agents.history.packed_history import PackedHistory
from journeys.analytics.silences import Silences, concatenated, silences_of
from journeys.analytics.survival import Array
from journeys.streams.compiled.backtest_tally import BacktestTally
from journeys.streams.rule.penalty import PenaltyTable
from journeys.streams.rule.policy import Policy

NEVER: Final = 2**53
_NO_ID: Final = 2**32 - 1
_COLUMNS: Final = ("journey_no", "occurred_at", "kind", "state", "repeats")
_INSTANTS: Final = 2**43  # more ms than any record's instant


class ReadSilences(NamedTuple):
    """All silences of a packed history. Those of row group i begin at `begins[i]`; the last element is their number."""

    silences: Silences
    begins: list[int]


def read_silences(path: str) -> ReadSilences:
    """Read them. Needs the compiled engine, which packed the history; raises UnreadableFileError."""
    packed = PackedHistory(path)
    end_at = packed.clock().greatest or 0
    names: dict[str, int] = {}
    parts: list[Silences] = []
    begins = [0]
    for number in range(packed.group_count):
        parts.append(_group(packed, number, names, end_at))
        begins.append(begins[-1] + len(parts[-1]))
    if not parts:
        nothing = np.zeros(0, np.int64)
        parts.append(silences_of(nothing, nothing, nothing, nothing, nothing, end_at=end_at))
    return ReadSilences(concatenated(parts, list(names), end_at), begins)


def _group(packed: PackedHistory, number: int, names: dict[str, int], end_at: int) -> Silences:
    wanted = [*_COLUMNS, "segment"] if packed.has_segments else list(_COLUMNS)
    table = packed.table(number, wanted)
    columns: dict[str, Array] = {name: table[name].to_numpy() for name in _COLUMNS}
    if packed.has_segments:
        segment = _segment_numbers(table["segment"].combine_chunks(), names)
    else:
        segment = np.full(table.num_rows, -1)
    # A signal and a registration have no ids, and are taken each time.
    first = (columns["repeats"] == 0) | (columns["repeats"] == _NO_ID)
    journey, occurred_at, kind, state = (columns[name][first] for name in _COLUMNS[:-1])
    return silences_of(journey.astype(np.int64), occurred_at, kind, state, segment[first], end_at=end_at)


def _segment_numbers(column: Any, names: dict[str, int]) -> Array:
    array = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    dictionary = array.dictionary.to_pylist()
    numbers = np.array([names.setdefault(name, len(names)) for name in dictionary] + [-1], np.int64)
    places = array.indices.fill_null(len(dictionary)).to_numpy(zero_copy_only=False)
    segments: Array = numbers[places]
    return segments


class Judged(NamedTuple):
    """What a policy made of a history: its tally, and for each silence after how many ms it was abandoned.

    NEVER where it was not abandoned; 0 for a deadline that was moved into the past.
    """

    tally: BacktestTally
    ended_after: Array


def judge(path: str, read: ReadSilences, policies: Sequence[Policy]) -> list[Judged]:
    """Run the whole history under each policy, and find the silence that each abandonment ended."""
    from journeys.engine import Backtest  # noqa: PLC0415  (it may not be built)

    packed = PackedHistory(path)
    clock = packed.clock()
    tables = [(policy, PenaltyTable(policy.penalty)) for policy in policies]
    run = Backtest(tables, None, read.silences.end_at, True)
    with_segments = packed.has_segments and any(policy.deadlines.ask_for_segments for policy in policies)
    ended = [np.full(len(read.silences), NEVER) for _ in policies]
    first_journey = 0
    for number in range(packed.group_count):
        journeys = packed.group(number, with_names=False, with_segments=with_segments).journeys
        run.run(journeys, clock)
        rows = slice(read.begins[number], read.begins[number + 1])
        keys = (read.silences.journey[rows] - first_journey) * _INSTANTS + read.silences.begin[rows]
        for policy, columns in enumerate(run.take_abandonments()):
            _enter(ended[policy][rows], keys, columns)
        first_journey += len(journeys)
    return [Judged(BacktestTally(**tally), one) for tally, one in zip(run.tallies(), ended, strict=True)]


def _enter(ended_after: Array, keys: Array, columns: dict[str, bytes]) -> None:
    """Enter abandonments of a group into the silences of its rows, whose keys are ascending."""
    last_at, abandoned_at = (np.frombuffer(columns[name], np.int64) for name in ("last_touchpoint_at", "abandoned_at"))
    wanted = np.frombuffer(columns["journey"], np.uint32).astype(np.int64) * _INSTANTS + last_at
    places = np.searchsorted(keys, wanted)
    found = (last_at >= 0) & (places < len(keys))
    found &= keys[np.minimum(places, max(len(keys) - 1, 0))] == wanted if len(keys) else False
    np.minimum.at(ended_after, places[found], np.maximum(abandoned_at - last_at, 0)[found])
