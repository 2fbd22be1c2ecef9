"""Parquet taken by columns says what its lines say, or is left to the lines."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow.parquet import write_table

from journeys.agents.history.history_columns import HistoryBatch, history_batches
from journeys.agents.history.line_files import BadLine, LineFile
from journeys.agents.history.touchpoint_columns import touchpoint_columns
from journeys.schemas.lines import parse_line
from journeys.schemas.records import STATES, Touchpoint

_AT = 1_760_000_000_000
_LINES = st.fixed_dictionaries(
    {
        "journey_id": st.sampled_from(["a", "b", "ü", "x" * 1_000]),
        "touchpoint_id": st.sampled_from(["1", "2"]),
        "occurred_at": st.integers(_AT, _AT + 10_000),
        "state": st.sampled_from([None, "", *STATES]),
        "cost": st.one_of(
            st.integers(0, 10**9).map(lambda micros: micros / 1e6), st.sampled_from([0.0, 0.1, 0.3, 1e9 - 1.5])
        ),
        "conversion_probability": st.sampled_from([None, 0.0, 0.05, 1.0, 1 / 3]),
        "conversion_value": st.sampled_from([None, 0.0, 90.25, 0.000001]),
        "segment": st.sampled_from([None, "", "new", "ü" * 200]),
    }
)
_SCHEMA = pa.schema(
    {
        "journey_id": pa.string(),
        "touchpoint_id": pa.string(),
        "occurred_at": pa.int64(),
        "state": pa.string(),
        "cost": pa.float64(),
        "conversion_probability": pa.float64(),
        "conversion_value": pa.float64(),
        "segment": pa.string(),
    }
)


def _batch(lines: list[dict[str, Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(lines, schema=_SCHEMA)


def _numbers(record: Touchpoint) -> dict[str, Any]:
    probability, value = record.conversion_probability, record.conversion_value_micros
    return {
        "occurred_at": record.occurred_at,
        "state": 0 if record.state is None else STATES.index(record.state) + 1,
        "cost_micros": record.cost_micros,
        "conversion_probability": None if probability is None else probability,
        "conversion_value_micros": -1 if value is None else value,
    }


@settings(max_examples=150, deadline=None)
@given(lines=st.lists(_LINES, min_size=1, max_size=8))
def test_columns_say_what_lines_say(lines: list[dict[str, Any]]) -> None:
    """Good lines: every number the same."""
    found = touchpoint_columns(_batch(lines))
    assert found is not None
    journey_ids, ids, numbers, segments = found
    for row, line in enumerate(lines):
        record = parse_line(line)
        assert isinstance(record, Touchpoint)
        assert (journey_ids[row].as_py(), ids[row].as_py()) == (record.journey_id, record.touchpoint_id)
        assert ("" if segments is None else segments[row].as_py()) == (record.segment or "")
        said = {name: column[row].as_py() for name, column in numbers.items()}
        if said["conversion_probability"] != said["conversion_probability"]:  # NaN: not said
            said["conversion_probability"] = None
        assert said == _numbers(record)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("journey_id", ""),
        ("journey_id", None),
        ("journey_id", "x" * 1_001),
        ("touchpoint_id", None),
        ("occurred_at", 1),
        ("occurred_at", None),
        ("state", "ELSEWHERE"),
        ("cost", 0.1234567),
        ("cost", -1.0),
        ("cost", None),
        ("cost", float("inf")),
        ("cost", float("nan")),
        ("conversion_probability", 1.5),
        ("conversion_probability", float("nan")),
        ("conversion_value", 1 / 3),
        ("segment", "s" * 201),
    ],
)
def test_what_is_not_plainly_right_is_left_to_the_lines(field: str, value: object) -> None:
    """One such row, and the whole batch is."""
    good = {"journey_id": "a", "touchpoint_id": "1", "occurred_at": _AT, "cost": 1.0}
    assert touchpoint_columns(_batch([good])) is not None
    assert touchpoint_columns(_batch([good, good | {field: value}])) is None


def test_timestamps_of_every_unit_are_floored() -> None:
    """As a replay floors them; without a zone they are no instants."""
    at = datetime(2026, 1, 31, 12, 0, 0, 999_000, tzinfo=UTC)
    for unit in ("s", "ms", "us", "ns"):
        instants = pa.array([at], pa.timestamp("us", "UTC")).cast(pa.timestamp(unit, "UTC"), safe=False)
        columns = {"journey_id": ["a"], "touchpoint_id": ["1"], "occurred_at": instants, "cost_micros": [1]}
        found = touchpoint_columns(pa.RecordBatch.from_pydict(columns))
        assert found is not None
        expected = int(at.timestamp()) * 1_000 + (0 if unit == "s" else 999)
        assert found[2]["occurred_at"].to_pylist() == [expected]
        columns["occurred_at"] = instants.cast(pa.timestamp(unit))
        assert touchpoint_columns(pa.RecordBatch.from_pydict(columns)) is None


def test_a_bad_row_leaves_its_neighbours(tmp_path: Path) -> None:
    """Behind 140,000 good rows a bad one is told with its number, and all others are there, in order."""
    rows = 140_000
    columns = {
        "journey_id": [f"journey-{row % 1_000}" for row in range(rows)],
        "touchpoint_id": [str(row) for row in range(rows)],
        "occurred_at": list(range(_AT, _AT + rows)),
        "cost_micros": [-1 if row == 135_000 else row for row in range(rows)],
    }
    path = tmp_path / "history.parquet"
    write_table(pa.table(columns), path, row_group_size=50_000)
    told: list[BadLine] = []
    batches: list[HistoryBatch] = list(history_batches(LineFile(str(path)), told.append))
    ids = [one for batch in batches for one in batch.ids.to_pylist()]
    assert ids == [str(row) for row in range(rows) if row != 135_000]
    expected = [found for found in LineFile(str(path)).records() if isinstance(found, BadLine)]
    assert [(one.number, str(one.error)) for one in told] == [(one.number, str(one.error)) for one in expected]
    assert [one.number for one in told] == [135_001]
