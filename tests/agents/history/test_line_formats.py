"""JSONL, CSV and Parquet of the same records are the same log."""

from __future__ import annotations

import csv
import json
from decimal import Decimal

import pyarrow as pa
import pytest
from pyarrow import parquet

from journeys.agents.history.line_files import BadLine, LineFile
from journeys.schemas.instants import DAY_MS, format_instant
from journeys.streams.partition.driver import replay_punctuated, replay_unpunctuated

T0 = 1_760_000_000_000
# A log of every kind of line, the same in every format: cells as text where CSV has nothing else.
LOG = [
    {"kind": "registration", "journey_id": "j1", "occurred_at": T0, "timeout_days": 20.5, "budget": 12.5},
    {"journey_id": "j1", "touchpoint_id": "a", "occurred_at": T0 + 1, "state": "AWARE", "cost": 1.5, "user_id": "ann"},
    {"journey_id": "j2", "touchpoint_id": "b", "occurred_at": T0 + DAY_MS, "cost": 0.000001, "propensity": 0.25},
    {"kind": "signal", "journey_id": "j2", "occurred_at": T0 + 2 * DAY_MS, "signal": "fatigue", "note": 'a "b", c'},
    {"kind": "command", "journey_id": "j1", "occurred_at": T0 + 2 * DAY_MS, "command": "extend", "days": 3.0},
    {"journey_id": "j1", "touchpoint_id": "c", "occurred_at": T0 + 2 * DAY_MS, "cost": 11.0, "conversion_value": 90.25},
    {"journey_id": "jä", "touchpoint_id": "d", "occurred_at": T0 + 9 * DAY_MS, "cost": 0.0},
    {"kind": "touchpoint", "journey_id": "j3", "touchpoint_id": "e", "occurred_at": T0 + 9 * DAY_MS + 7, "cost": 2.0},
]
PUNCTUATED = [{"kind": "punctuation", "at": T0}, *LOG, {"kind": "punctuation", "at": T0 + 60 * DAY_MS}]
COLUMNS = sorted({column for line in PUNCTUATED for column in line})
MONEY = {"cost", "budget", "conversion_value"}


def jsonl(path, lines):
    """One object a line."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def csv_text(path, lines):
    """An empty cell where a line has no such field."""
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        writer.writerows(lines)


def csv_of_a_spreadsheet(path, lines):
    """With a byte order mark, CRLF, RFC 3339 and every cell in quotes."""
    with path.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        writer.writeheader()
        instants = [
            {field: format_instant(line[field]) for field in ("occurred_at", "at") if field in line} for line in lines
        ]
        writer.writerows(line | instant for line, instant in zip(lines, instants, strict=True))


def parquet_plain(path, lines):
    """Integers, doubles, nulls."""
    parquet.write_table(pa.Table.from_pylist([dict.fromkeys(COLUMNS) | line for line in lines]), path)


def parquet_typed(path, lines, timestamp=pa.timestamp("us", "Europe/Berlin")):  # noqa: B008  (a type is a constant)
    """Timestamps with a zone, decimal columns for money, words from a dictionary."""
    columns = {}
    for column in COLUMNS:
        cells = [line.get(column) for line in lines]
        if column in ("occurred_at", "at"):
            columns[column] = pa.array(cells, pa.timestamp("ms", "UTC")).cast(timestamp)
        elif column in MONEY:
            exact = [None if cell is None else Decimal(repr(cell)) for cell in cells]
            columns[column] = pa.array(exact, pa.decimal128(18, 6))
        elif column in ("state", "kind", "signal", "command"):
            columns[column] = pa.array(cells, pa.string()).dictionary_encode()
        else:
            columns[column] = pa.array(cells)
    parquet.write_table(pa.table(columns), path, row_group_size=3)


def parquet_in_nanoseconds(path, lines):
    """As other tools write timestamps."""
    parquet_typed(path, lines, pa.timestamp("ns", "UTC"))


FORMATS = [
    ("x.csv", csv_text),
    ("x.CSV", csv_of_a_spreadsheet),
    ("x.parquet", parquet_plain),
    ("x.pq", parquet_typed),
    ("x.parquet", parquet_in_nanoseconds),
]


def records(path):
    """Records of a file with their numbers; none of its lines is bad."""
    found = list(LineFile(str(path)).records())
    assert not [one for one in found if isinstance(one, BadLine)]
    return found


def outputs(numbered, replay):
    """All that a replay gives, but for ids that hold the line's number."""
    found = []
    for effects in replay(numbered, until=T0 + 100 * DAY_MS):
        found += effects.abandonments
        found += [record._replace(lifecycle_id="") for record in effects.lifecycle]
    return found


@pytest.mark.parametrize(("name", "write"), FORMATS, ids=[write.__name__ for _, write in FORMATS])
@pytest.mark.parametrize(("lines", "replay"), [(LOG, replay_unpunctuated), (PUNCTUATED, replay_punctuated)])
def test_the_same_records_in_every_format_give_the_same_outputs(tmp_path, name, write, lines, replay):
    """The same records in the same order, and so the same abandonments to the last field."""
    jsonl(tmp_path / "x.jsonl", lines)
    write(tmp_path / name, lines)
    expected, found = records(tmp_path / "x.jsonl"), records(tmp_path / name)
    assert [record for _, record in found] == [record for _, record in expected]
    assert outputs(found, replay) == outputs(expected, replay)
    assert len(outputs(expected, replay)) == 9
    assert LineFile(str(tmp_path / name)).has_punctuations() == (lines is PUNCTUATED)
