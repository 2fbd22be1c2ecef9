"""Files of lines: their numbers, and what is said of a file or a line that is spoiled."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from journeys.agents.history.line_files import BadLine, LineFile, UnreadableFileError
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import Touchpoint

T0 = 1_760_000_000_000
GOOD = {"journey_id": "j", "touchpoint_id": "t", "occurred_at": T0, "cost": "1"}
GOOD_JSON = json.dumps(GOOD).encode()
CSV_HEAD = b"journey_id,touchpoint_id,occurred_at,cost\n"


def read(path):
    """Records of a file with their numbers, and its bad lines."""
    found = list(LineFile(str(path)).records())
    good = [one for one in found if not isinstance(one, BadLine)]
    return good, [one for one in found if isinstance(one, BadLine)]


def numbers(path):
    """Numbers of a file's good lines and of its bad ones."""
    good, bad = read(path)
    return [number for number, _ in good], [line.number for line in bad]


def test_line_numbers_of_jsonl(tmp_path):
    """They begin at 1; blank lines count and are no error; a byte order mark is none either."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD_JSON + b"\n\n \t\r\n{}\n" + GOOD_JSON + b"\r\n\xff\n" + GOOD_JSON)
    assert numbers(path) == ([1, 5, 7], [4, 6])


def test_line_numbers_of_csv(tmp_path):
    """The head is line 1; blank lines count; a record over several lines has the number of its first."""
    path = tmp_path / "x.csv"
    path.write_bytes(CSV_HEAD + f'j,t,{T0},1\n\nj,t,then,1\n"j\nk",t,{T0},1\nj,t,{T0},1'.encode())
    assert numbers(path) == ([2, 5, 7], [4])


def test_line_numbers_of_parquet(tmp_path):
    """The first row is 1, and they run through row groups and batches."""
    count = 9_000
    costs = [-1 if row in (0, 8191, 8192, count - 1) else 1 for row in range(count)]
    same = {name: pa.repeat(pa.scalar(value), count) for name, value in GOOD.items()}
    parquet.write_table(pa.table(same | {"cost": costs}), tmp_path / "x.parquet", row_group_size=4000)
    good, bad = numbers(tmp_path / "x.parquet")
    assert bad == [1, 8192, 8193, count]
    assert sorted(good + bad) == list(range(1, count + 1))


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x"])
def test_an_empty_file_has_no_lines(tmp_path, name):
    """Nothing in, nothing out, no error."""
    (tmp_path / name).write_bytes(b"")
    assert read(tmp_path / name) == ([], [])
    (tmp_path / name).write_bytes(CSV_HEAD if name == "x.csv" else b"\n\n")
    assert read(tmp_path / name) == ([], [])


SPOILED_JSON = {
    "no JSON": b"journey_id=j",
    "cut off": GOOD_JSON[:-1],
    "two on a line": GOOD_JSON + GOOD_JSON,
    "no object": b"[1]",
    "a number": b"17",
    "bad UTF-8": b'{"journey_id": "\xff"}',
    "half a character": b'{"journey_id": "\xc3',
    "a lone surrogate": GOOD_JSON.replace(b'"j"', b'"\\ud800"'),
    "a byte order mark alone": b"\xef\xbb\xbf",
    "NaN": GOOD_JSON.replace(b'"1"', b"NaN"),
    "Infinity": GOOD_JSON.replace(b'"1"', b"-Infinity"),
    "an integer of 5,000 digits": GOOD_JSON.replace(b'"1"', b"9" * 5000),
    "a fraction of 100,000 digits": GOOD_JSON.replace(b'"1"', b"0." + b"1" * 100_000),
    "a text of a million digits": GOOD_JSON.replace(b'"1"', b'"' + b"9" * 1_000_000 + b'"'),
    "a great exponent": GOOD_JSON.replace(b'"1"', b"1e999999999"),
    "a small exponent": GOOD_JSON.replace(b'"1"', b"1e-999999999"),
    "an exponent beyond decimals": GOOD_JSON.replace(b'"1"', b"1e99999999999999999999"),
    "an exponent beyond them downwards": GOOD_JSON.replace(b'"1"', b"1e-99999999999999999999"),
    "a time of 5,000 digits": GOOD_JSON.replace(str(T0).encode(), b'"' + b"1" * 5000 + b'"'),
    "a time with two signs": GOOD_JSON.replace(str(T0).encode(), b'"--5"'),
    "nested without end": b"[" * 100_000,
    "objects nested without end": b'{"a":' * 100_000,
}


@pytest.mark.parametrize("spoiled", SPOILED_JSON.values(), ids=SPOILED_JSON)
def test_a_spoiled_line_of_jsonl_is_reported_and_the_rest_is_read(tmp_path, spoiled):
    """With its number and a reason that is short and can be written anywhere."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(GOOD_JSON + b"\n" + spoiled + b"\n" + GOOD_JSON + b"\n")
    good, bad = read(path)
    assert [number for number, _ in good] == [1, 3]
    assert [line.number for line in bad] == [2]
    assert 0 < len(str(bad[0].error).encode()) < 400


def test_a_field_that_nobody_named_is_left_alone(tmp_path):
    """Whatever is in it."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(GOOD_JSON.replace(b'"1"', b'"1", "x": NaN, "y": [-Infinity], "z": 1e999'))
    assert numbers(path) == ([1], [])


def test_nesting_at_the_edge_of_the_stack(tmp_path):
    """Lists too deep to be shown but not too deep to be read, wherever the edge may be."""
    path = tmp_path / "x.jsonl"
    depths = range(sys.getrecursionlimit() - 120, sys.getrecursionlimit() + 20)
    lines = [b'{"journey_id":' + b"[" * depth + b"]" * depth + b"}" for depth in depths]
    path.write_bytes(b"\n".join(lines))
    good, bad = read(path)
    assert (good, len(bad)) == ([], len(depths))


def test_a_spoiled_line_of_csv_is_reported_and_the_rest_is_read(tmp_path):
    """Bad UTF-8, too few cells, too many, cells of the wrong kind."""
    path = tmp_path / "x.csv"
    good = f"j,t,{T0},1\n".encode()
    spoiled = [b"j\xff,t,1760000000000,1\n", b"j,t\n", b",,,\n", b"j,t,--5,1\n", b"j,t,1760000000000,NaN\n"]
    path.write_bytes(CSV_HEAD + good + b"".join(line + good for line in spoiled) + good[:-1] + b",more,and more\n")
    assert numbers(path) == ([2, 4, 6, 8, 10, 12], [3, 5, 7, 9, 11, 13])
    errors = [line.error.field for line in read(path)[1]]
    assert errors == ["journey_id", "occurred_at", "journey_id", "occurred_at", "cost", "row"]


def test_a_spoiled_row_of_parquet_is_reported_and_the_rest_is_read(tmp_path):
    """Nulls, NaN, times out of range."""
    table = {
        "journey_id": ["j", None, "j", "j", "j"],
        "touchpoint_id": ["t"] * 5,
        "occurred_at": pa.array([T0, T0, None, 0, T0], pa.timestamp("ms", "UTC")),
        "cost": [1.0, 1.0, 1.0, 1.0, float("nan")],
    }
    parquet.write_table(pa.table(table), tmp_path / "x.parquet")
    good, bad = read(tmp_path / "x.parquet")
    assert [number for number, _ in good] == [1]
    assert [(line.number, line.error.field) for line in bad] == [
        *((2, "journey_id"), (3, "occurred_at"), (4, "occurred_at"), (5, "cost"))
    ]


def test_timestamps_without_a_zone_are_refused(tmp_path):
    """Nobody knows which instants they are."""
    table = {name: [value] for name, value in GOOD.items()} | {"occurred_at": pa.array([T0], pa.timestamp("ms"))}
    parquet.write_table(pa.table(table), tmp_path / "x.parquet")
    _, bad = read(tmp_path / "x.parquet")
    assert [line.error.field for line in bad] == ["occurred_at"]
    assert "with a zone" in str(bad[0].error)


def test_microseconds_are_floored(tmp_path):
    """A timestamp column may be finer than milliseconds."""
    at = pa.array([T0 * 1000 + 999, T0 * 1000 + 1000], pa.timestamp("us", "UTC"))
    table = {name: [value] * 2 for name, value in GOOD.items()} | {"occurred_at": at}
    parquet.write_table(pa.table(table), tmp_path / "x.parquet")
    good, _ = read(tmp_path / "x.parquet")
    assert [record.occurred_at for _, record in good] == [T0, T0 + 1]


def test_nanoseconds_are_floored(tmp_path):
    """As pandas writes them."""
    at = pa.array([T0 * 10**6 + 999_999, T0 * 10**6 + 10**6 + 1], pa.timestamp("ns", "UTC"))
    table = {name: [value] * 2 for name, value in GOOD.items()} | {"occurred_at": at}
    parquet.write_table(pa.table(table), tmp_path / "x.parquet")
    good, _ = read(tmp_path / "x.parquet")
    assert [record.occurred_at for _, record in good] == [T0, T0 + 1]


NO_UTF8 = pa.StringArray.from_buffers(2, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"j\xff"))


@pytest.mark.parametrize(
    ("column", "bad"),
    [
        ({"journey_id": NO_UTF8}, [2]),
        ({"occurred_at": pa.array([T0 // 1000, 10**15], pa.timestamp("s", "UTC"))}, [2]),
        ({"occurred_at": pa.array([T0] * 2, pa.timestamp("ms", "Nowhere/Land"))}, [1, 2]),
        ({"an export's own": pa.array([10**15] * 2, pa.timestamp("s", "UTC"))}, []),
        ({"an export's own": pa.array([1] * 2, pa.duration("ns"))}, []),
    ],
)
def test_a_row_of_parquet_that_python_cannot_hold(tmp_path, column, bad):
    """It is reported by its number; a column that the format does not know is not even read."""
    table = {name: [value] * 2 for name, value in GOOD.items()} | column
    parquet.write_table(pa.table(table), tmp_path / "x.parquet")
    assert numbers(tmp_path / "x.parquet") == ([row for row in (1, 2) if row not in bad], bad)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"garbage" * 100, GOOD_JSON])
def test_what_is_no_parquet_is_one_error(tmp_path, content):
    """It names the file; there are no lines to report."""
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"x\.parquet: not Parquet"):
        read(path)


def test_a_file_that_is_not_there(tmp_path):
    """Said at once, before anything is read; a folder is no file."""
    with pytest.raises(UnreadableFileError, match="no such file"):
        LineFile(str(tmp_path / "x.jsonl"))
    with pytest.raises(UnreadableFileError, match="no such file"):
        LineFile(str(tmp_path))


def test_standard_input(monkeypatch):
    """The name - reads JSONL from it; its size is not known."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD_JSON + b"\nx\n" + GOOD_JSON)))
    source = LineFile("-")
    assert source.size_bytes() is None
    found = list(source.records())
    assert [number for number, _ in (found[0], found[2])] == [1, 3]
    assert isinstance(found[1], BadLine)


def test_the_size_of_a_file(tmp_path):
    """For a progress bar."""
    (tmp_path / "x.jsonl").write_bytes(GOOD_JSON)
    assert LineFile(str(tmp_path / "x.jsonl")).size_bytes() == len(GOOD_JSON)


PIECES = st.sampled_from(
    [
        *(GOOD_JSON, b"\n", b"\r", b'"', b",", b"{", b"}", b"[", b":", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\\u"),
        *(b"1e9", b"-", b"--5", b"NaN", b"null", b"journey_id", b"j,t,1760000000000,1", CSV_HEAD, b"'", b" "),
    ]
)


@given(st.lists(PIECES | st.binary(max_size=6), max_size=12), st.sampled_from(["x.jsonl", "x.csv"]))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_file_holds_each_line_is_a_record_or_reported(tmp_path, pieces, name):
    """No other error than that the file can't be read; numbers rise."""
    path = Path(tmp_path, name)
    path.write_bytes(b"".join(pieces))
    try:
        found = list(LineFile(str(path)).records())
    except UnreadableFileError:
        assert name == "x.csv" or path.read_bytes()[:4] not in (b"", GOOD_JSON[:4])
        return
    for one in found:
        assert isinstance(one.error, InvalidRecordError) if isinstance(one, BadLine) else isinstance(one[1], Touchpoint)
    rising = [one.number if isinstance(one, BadLine) else one[0] for one in found]
    assert rising == sorted(set(rising))
