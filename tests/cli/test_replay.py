"""`journeys replay` on files: what it gives, and in which form."""

import csv
import json
import os
import threading

import pyarrow
import pytest
from pyarrow import parquet

from journeys.schemas.identity import abandonment_id
from journeys.schemas.instants import parse_instant

from .console_script import journeys
from .history import HISTORY, LOST, SILENT, SILENT_ENDED, TOUCHPOINTS, matches, read_lines, touch, write_lines

NO_MONEY = [""] * 4


def summary(text):
    """Cells of the table on standard error, by the first of each row."""
    rows = ([cell.strip() for cell in line.split("│")] for line in text.splitlines())
    return {name: cells for name, *cells in rows}


def test_the_outcome_is_the_one_worked_out_by_hand(cli, tmp_path):
    """Two abandonments in firing order; time comes with the record that tells it, here on January 7."""
    result = cli("replay", write_lines(tmp_path / "history.jsonl", HISTORY))
    assert result.exit_code == 0
    silent, lost = read_lines(result.stdout)
    assert matches(silent, SILENT | {"detected_at": "2026-01-07T00:00:00.000Z"})
    assert matches(lost, LOST)
    assert silent["abandonment_id"] == abandonment_id("silent", parse_instant("2026-01-01T00:00:00Z"))
    assert not any(field.startswith("source_") for field in silent), "a file is no topic"


def test_the_summary_is_for_people_and_on_standard_error(cli, tmp_path):
    """Counts, and penalties in dollars."""
    result = cli("replay", write_lines(tmp_path / "history.jsonl", HISTORY))
    told = summary(result.stderr)
    assert told["journeys"] == ["3", *NO_MONEY]
    assert told["touchpoints"] == ["8", *NO_MONEY]
    assert told["INACTIVITY"] == ["1", "5.83", "4.71", "1.12", "0.00"]
    assert told["COMPETITOR_CONVERSION"] == ["1", "180.17", "168.92", "11.25", "0.00"]
    assert told["abandonments"] == ["2", "186.00", "173.63", "12.38", "0.00"]
    assert told["conversions"] == ["1", *NO_MONEY]
    assert told["returns"] == told["refused"] == told["bad lines"] == ["0", *NO_MONEY]


def test_lifecycle_records_go_to_a_file_of_their_own(cli, tmp_path):
    """Three begin, one converts; without the option they go nowhere."""
    path = tmp_path / "lifecycle.jsonl"
    result = cli("replay", write_lines(tmp_path / "history.jsonl", HISTORY), "--lifecycle", str(path))
    assert len(read_lines(result.stdout)) == 2
    told = read_lines(path.read_text())
    assert [(line["kind"], line["journey_id"]) for line in told] == [
        ("started", "silent"),
        ("started", "lost"),
        ("started", "bought"),
        ("converted", "bought"),
    ]
    assert told[-1]["conversion_value_micros"] == 64_900_000


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        ("2026-01-05T23:59:59.999Z", []),
        (SILENT_ENDED, ["silent"]),
        ("2026-01-06T01:00:00+01:00", ["silent"]),
        ("1767657600000", ["silent"]),
        ("2026-01-08T00:00:00Z", ["silent", "lost"]),
    ],
)
def test_until_is_the_last_punctuation(cli, tmp_path, until, expected):
    """In RFC 3339 or epoch milliseconds; the record behind it is not read, and a deadline at it has come."""
    result = cli("replay", write_lines(tmp_path / "history.jsonl", HISTORY), "--until", until)
    lines = read_lines(result.stdout)
    assert [line["journey_id"] for line in lines] == expected
    if expected == ["silent"]:
        assert lines[0]["detected_at"] == SILENT_ENDED
        assert summary(result.stderr)["touchpoints"] == ["7", *NO_MONEY]


def test_a_file_with_punctuations_keeps_its_own_time_and_the_grace(cli, tmp_path):
    """A minute's grace less a millisecond fires nothing; what no punctuation fires stays open."""
    early = {"kind": "punctuation", "at": "2026-01-06T00:00:59.999Z"}
    on_time = {"kind": "punctuation", "at": "2026-01-06T00:01:00Z"}
    touchpoints = [line for line in TOUCHPOINTS if line["journey_id"] == "silent"]
    assert cli("replay", write_lines(tmp_path / "one.jsonl", [*touchpoints, early])).stdout == ""
    (silent,) = read_lines(cli("replay", write_lines(tmp_path / "two.jsonl", [*touchpoints, early, on_time])).stdout)
    assert matches(silent, SILENT | {"detected_at": "2026-01-06T00:01:00.000Z"})


def test_another_policy_another_outcome(cli, tmp_path):
    """Inactivity of a day ends `lost` before the signal, under the policy's own name."""
    policy = tmp_path / "strict.toml"
    policy.write_text('version = "strict-1"\n[deadlines]\ninactivity_hours = 24\n')
    result = cli("replay", write_lines(tmp_path / "history.jsonl", HISTORY), "--policy", str(policy))
    lines = read_lines(result.stdout)
    assert {line["policy_version"] for line in lines} == {"strict-1"}
    assert [line["abandonment_reason"] for line in lines if line["journey_id"] == "lost"] == ["INACTIVITY"] * 4


def test_csv_and_parquet_give_what_jsonl_gives(cli, tmp_path):
    """Byte for byte, though a CSV knows only text and empty cells, and Parquet has nulls in every row."""
    columns = list(TOUCHPOINTS[0])
    with (tmp_path / "history.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(TOUCHPOINTS)
    rows = [{column: line.get(column) for column in columns} for line in TOUCHPOINTS]
    for row in rows:
        row["cost"] = str(row["cost"])
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "history.parquet")
    until = ("--until", "2026-03-01T00:00:00Z")
    expected = cli("replay", write_lines(tmp_path / "history.jsonl", TOUCHPOINTS), *until)
    assert len(read_lines(expected.stdout)) == 2
    for name in ("history.csv", "history.parquet"):
        assert cli("replay", name, *until).stdout == expected.stdout, name


def test_bad_lines_are_told_with_their_numbers_and_the_rest_is_replayed(cli, tmp_path):
    """Exit 0; the outcome is that without the bad lines."""
    bad = {**TOUCHPOINTS[0], "cost": -1}
    result = cli("replay", write_lines(tmp_path / "history.jsonl", [TOUCHPOINTS[0], bad, "{", "", *HISTORY[1:]]))
    assert result.exit_code == 0
    first, second, *_ = result.stderr.splitlines()
    assert "history.jsonl: line 2: cost: -1 is not allowed" in first
    assert "history.jsonl: line 3: line: " in second
    assert "a JSON object" in second
    assert [line["journey_id"] for line in read_lines(result.stdout)] == ["silent", "lost"]


def test_numbers_of_bad_lines_in_csv_count_the_header(cli, tmp_path):
    """As an editor shows them."""
    (tmp_path / "history.csv").write_text("journey_id,touchpoint_id,occurred_at,cost\nj,t,2026-01-01,1\n")
    assert "history.csv: line 2: occurred_at: '2026-01-01'" in cli("replay", "history.csv").stderr


def test_strict_exits_with_2_for_a_bad_line_and_still_writes(cli, tmp_path):
    """The output is as without it."""
    path = write_lines(tmp_path / "history.jsonl", ["nonsense", *HISTORY])
    result = cli("replay", path, "--strict", "--output", "out.jsonl")
    assert result.exit_code == 2
    assert len(read_lines((tmp_path / "out.jsonl").read_text())) == 2
    assert cli("replay", write_lines(tmp_path / "good.jsonl", HISTORY), "--strict").exit_code == 0


def test_many_bad_lines_are_counted_and_not_all_shown(cli, tmp_path):
    """Twenty, and how many more."""
    result = cli("replay", write_lines(tmp_path / "history.jsonl", ["nonsense"] * 25))
    assert result.stderr.count("is not allowed") == 20
    assert "and 5 more bad lines" in result.stderr
    assert result.stdout == ""


def test_standard_input_is_jsonl(tmp_path):
    """With time made or brought: either needs two passes, and a pipe gives one."""
    for lines in (HISTORY, [*HISTORY, {"kind": "punctuation", "at": "2026-01-09T00:00:00Z"}]):
        path = write_lines(tmp_path / "history.jsonl", lines)
        piped = journeys("replay", "-", cwd=tmp_path, input=(tmp_path / "history.jsonl").read_text())
        assert piped.returncode == 0
        assert len(read_lines(piped.stdout)) == 2
        assert piped.stdout == journeys("replay", path, cwd=tmp_path).stdout


def test_a_named_pipe_is_read_and_written(tmp_path):
    """As a shell makes them of <(...) and >(...)."""
    write_lines(tmp_path / "history.jsonl", HISTORY)
    os.mkfifo(tmp_path / "in")
    os.mkfifo(tmp_path / "out")
    text = (tmp_path / "history.jsonl").read_text()
    read = []
    threads = [
        threading.Thread(target=lambda: (tmp_path / "in").write_text(text), daemon=True),
        threading.Thread(target=lambda: read.append((tmp_path / "out").read_text()), daemon=True),
    ]
    for thread in threads:
        thread.start()
    done = journeys("replay", "in", "--output", "out", cwd=tmp_path)
    for thread in threads:
        thread.join(30)
    assert (done.returncode, done.stdout) == (0, "")
    assert [line["journey_id"] for line in read_lines(read[0])] == ["silent", "lost"]


def test_an_output_is_replaced_as_a_whole_or_stays(cli, tmp_path):
    """A source that turns out to be unreadable leaves the old output, and nothing beside it."""
    output = tmp_path / "out.jsonl"
    output.write_text("of yesterday\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and not more")
    result = cli("replay", "broken.parquet", "--output", "out.jsonl")
    assert result.exit_code == 2
    assert output.read_text() == "of yesterday\n"
    cli("replay", write_lines(tmp_path / "history.jsonl", HISTORY), "--output", "out.jsonl")
    assert len(read_lines(output.read_text())) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"out.jsonl", "broken.parquet", "history.jsonl"}


def test_a_link_stays_a_link(cli, tmp_path):
    """The file behind it is the output."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "out.jsonl").symlink_to("folder/real.jsonl")
    cli("replay", write_lines(tmp_path / "history.jsonl", HISTORY), "--output", "out.jsonl")
    assert (tmp_path / "out.jsonl").is_symlink()
    assert len(read_lines((tmp_path / "folder/real.jsonl").read_text())) == 2


def test_text_comes_out_as_it_came_in(tmp_path):
    """In UTF-8, whatever the terminal's language is."""
    lines = [touch("Käufer-漢", 1, 1, "AWARE")]
    (tmp_path / "history.jsonl").write_text(json.dumps(lines[0], ensure_ascii=False), encoding="utf-8")
    done = journeys(
        "replay",
        "history.jsonl",
        "--until",
        "2026-03-01T00:00:00Z",
        cwd=tmp_path,
        text=False,
        env={"LC_ALL": "C", "PYTHONUTF8": "0"},
    )
    assert json.loads(done.stdout.decode("utf-8"))["journey_id"] == "Käufer-漢"
    assert "Käufer-漢" in done.stdout.decode("utf-8")


def test_nothing_in_nothing_out(cli, tmp_path):
    """An empty file is fine."""
    result = cli("replay", write_lines(tmp_path / "empty.jsonl", []))
    assert (result.exit_code, result.stdout) == (0, "")


@pytest.mark.parametrize(
    "line",
    [
        b'{"kind": "punctuation", "at": "2026-01-09T00:00:00Z"}',
        b'{"kind": "\\u0070unctuation", "at": "2026-01-09T00:00:00Z"}',
        '{"kind": "punctuation", "at": "2026-01-09T00:00:00Z"}'.encode("utf-16-be"),
    ],
    ids=["plain", "escaped", "in UTF-16"],
)
def test_a_punctuation_is_found_however_it_is_written(cli, tmp_path, line):
    """One at the end of the file decides what time the file is replayed in."""
    path = write_lines(tmp_path / "in.jsonl", TOUCHPOINTS[:1])
    with (tmp_path / "in.jsonl").open("ab") as file:
        file.write(line)
    (silent,) = read_lines(cli("replay", path).stdout)
    assert silent["detected_at"] == "2026-01-09T00:00:00.000Z"


def test_a_note_on_punctuation_is_none(cli, tmp_path):
    """The word alone makes no punctuation: time is made, here up to an instant beyond the deadline."""
    lines = [{**TOUCHPOINTS[0], "event_type": "punctuation"}]
    path = write_lines(tmp_path / "in.jsonl", lines)
    (silent,) = read_lines(cli("replay", path, "--until", "2026-04-02T00:00:00Z").stdout)
    assert silent["detected_at"] == "2026-04-02T00:00:00.000Z"
