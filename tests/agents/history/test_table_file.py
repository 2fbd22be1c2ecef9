"""Files that are sorted as a table: the same records as line by line, in the order of time."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from journeys.agents.history.line_files import BadLine, LineFile
from journeys.agents.history.open_history import open_history

T0 = 1_760_000_000_000
COLUMNS = (
    *("journey_id", "touchpoint_id", "occurred_at", "cost", "cost_micros", "state", "kind", "conversion_value"),
    *("conversion_value_micros", "conversion_probability", "propensity", "segment", "user_id", "days", "signal"),
)
INSTANTS = st.sampled_from(
    [
        *(str(T0), str(T0 - 1), "2026-01-31T12:00:00Z", "2026-01-31 12:00:00.9999 UTC", "2026-01-31T07:00:00.25-0500"),
        *(
            "2016-12-31T23:59:60Z",
            "2016-12-31 23:59:60.5 +0000",
            "2026-01-31t12:00:00.0019999999z",
            "2026-02-30T00:00:00Z",
        ),
        *(
            "2026-01-31",
            "then",
            "",
            "0",
            str(T0 * 1000),
            "8999-12-31T23:59:59.999Z",
            "1989-12-31T23:59:59Z",
            " " + str(T0),
        ),
        *("2026-01-31T24:00:00Z", "2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00+23:59", "2026-01-31T12:00:61Z"),
    ]
)
AMOUNTS = st.sampled_from(
    [
        "",
        "1",
        "1.25",
        "0.000001",
        "1e-6",
        "0.0000001",
        "1.2500000",
        "-1",
        "1_000",
        "1000000000",
        "1000000001",
        "1e400",
        "NaN",
        ".5",
    ]
)
MICROS = st.sampled_from(["", "0", "1", "1250000", "1.0", "1.5", "-1", "1000000000000000", "1000000000000001"])
RATES = st.sampled_from(
    ["", "0", "1", "0.5", "1.0", "0.123456789012345", "0.1234567890123456789", "1.1", "-0", "5e-1", "x"]
)
CELLS = {
    "journey_id": st.sampled_from(["a", "b", "", "x" * 1001, "ä"]),
    "touchpoint_id": st.sampled_from(["t1", "t2", ""]),
    "occurred_at": INSTANTS,
    "cost": AMOUNTS,
    "cost_micros": MICROS,
    "state": st.sampled_from(["", "AWARE", "CONVERTED", "aware"]),
    "kind": st.sampled_from(["", "", "", "touchpoint", "signal", "command", "registration", "other"]),
    "conversion_value": AMOUNTS,
    "conversion_value_micros": MICROS,
    "conversion_probability": RATES,
    "propensity": RATES,
    "segment": st.sampled_from(["", "new", "x" * 200, "x" * 201]),
    "user_id": st.sampled_from(["", "ann", "x" * 1001]),
    "days": st.sampled_from(["", "1"]),
    "signal": st.sampled_from(["", "fatigue", "boredom"]),
}
# Mostly plain, so that many rows are records; one cell or two of each are anything.
PLAIN = dict.fromkeys(COLUMNS, "") | {"journey_id": "a", "touchpoint_id": "t", "occurred_at": str(T0), "cost": "1"}


@st.composite
def rows(draw):
    """Rows of cells as text."""
    found = []
    for _ in range(draw(st.integers(1, 12))):
        changed = draw(st.lists(st.sampled_from(COLUMNS), max_size=4, unique=True))
        found.append(PLAIN | {name: draw(CELLS[name]) for name in changed})
    return found


def told(found):
    """Records in the order of time, and bad lines by number."""
    good = [record for one in found if not isinstance(one, BadLine) for record in [one[1]]]
    bad = sorted((one.number, str(one.error)) for one in found if isinstance(one, BadLine))
    return sorted(good, key=lambda record: record.occurred_at), bad


@given(rows())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_table_says_what_lines_say(tmp_path, lines):
    """Of every row the same record, or the same fault; only the order is that of time, and stable."""
    path = tmp_path / "x.csv"
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(lines)
    path.write_text(text.getvalue(), "utf-8")
    expected = list(LineFile(str(path)).records())
    with open_history([str(path)]) as file:
        found = list(file.records())
    assert told(found) == told(expected)
    records = [one[1] for one in found if not isinstance(one, BadLine)]
    assert records == told(expected)[0]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sorting_is_stable_in_parquet(tmp_path, times):
    """Records of one time keep their order; a file in order and one that is not give the same."""
    table = {
        "journey_id": ["j"] * len(times),
        "touchpoint_id": [str(number) for number in range(len(times))],
        "occurred_at": [T0 + at for at in times],
        "cost": [1.5] * len(times),
    }
    parquet.write_table(pa.table(table), tmp_path / "x.parquet")
    with open_history([str(tmp_path / "x.parquet")]) as file:
        found = [record for _, record in file.records()]
    order = sorted(range(len(times)), key=lambda number: times[number])
    assert [record.touchpoint_id for record in found] == [str(number) for number in order]
    assert [record.cost_micros for record in found] == [1_500_000] * len(times)


def test_more_rows_than_the_memory_holds(tmp_path):
    """They go to the temporary folder and come back sorted."""
    count = 400_000
    table = {
        "journey_id": [f"journey-{number * 7919 % count:040}" for number in range(count)],
        "touchpoint_id": [f"{number:0240}" for number in range(count)],
        "occurred_at": [T0 + number * 7919 % count for number in range(count)],
        "cost": [1] * count,
    }
    parquet.write_table(pa.table(table), tmp_path / "x.parquet")
    with open_history([str(tmp_path / "x.parquet")], memory_mib=128) as file:
        at = [one for batch in file.batches() for one in batch.column("occurred_at").to_pylist()]
    assert at == [T0 + number for number in range(count)]
