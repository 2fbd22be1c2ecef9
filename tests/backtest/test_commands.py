"""`journeys pack` and `journeys backtest`, as people run them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyarrow.parquet import ParquetFile, read_table, write_table
from typer.testing import CliRunner, Result

from journeys.agents.demo.load_generator import generate
from journeys.cli.main import app
from journeys.schemas.records import REASONS
from tests.fixtures.left_out import left_out

pytest.importorskip("journeys.engine", reason=left_out("engine"))

_README = Path(__file__).parents[2] / "README.md"
_HASTY = 'version = "hasty-1"\n[deadlines]\ninactivity_hours = 24\n'
_TIMEOUT_SECONDS = 120


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command in an empty folder that holds a history and a policy."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    lines = [json.dumps(line) + "\n" for line in generate(300, seed=3)]
    Path("history.jsonl").write_text("".join(lines), encoding="utf-8")
    Path("hasty.toml").write_text(_HASTY, encoding="utf-8")
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_all_ways_give_one_comparison(cli: Callable[..., Result]) -> None:
    """Packed, unpacked and by the Python rule: the same table, and the same again as Parquet."""
    assert cli("pack", "history.jsonl", "-o", "packed.parquet").exit_code == 0
    by_packed = cli("backtest", "packed.parquet", "--policy", "hasty.toml", "--output", "packed-comparison.parquet")
    by_lines = cli("backtest", "history.jsonl", "--policy", "hasty.toml", "--memory", "16")
    by_python = cli("backtest", "history.jsonl", "--policy", "hasty.toml", "--reference", "--output", "python.parquet")
    assert by_packed.exit_code == by_lines.exit_code == by_python.exit_code == 0, by_packed.stderr + by_python.stderr
    assert "hasty-1" in by_packed.stdout
    assert "INACTIVITY" in by_packed.stdout
    assert by_packed.stdout == by_lines.stdout == by_python.stdout
    assert read_table("packed-comparison.parquet").to_pylist() == read_table("python.parquet").to_pylist()


def test_abandonments_are_those_of_a_replay(cli: Callable[..., Result]) -> None:
    """Every abandonment that `journeys replay` writes is in the file, with the same penalty."""
    assert cli("replay", "history.jsonl", "--policy", "hasty.toml", "--output", "replayed.jsonl").exit_code == 0
    assert cli("backtest", "history.jsonl", "--policy", "hasty.toml", "--abandonments", "found.parquet").exit_code == 0
    replayed = map(json.loads, Path("replayed.jsonl").read_text(encoding="utf-8").splitlines())
    names = ("journey_id", "abandonment_reason", "state", "penalty_amount_micros", "opportunity_cost_micros")
    expected = sorted(tuple(line[name] for name in names) for line in replayed)
    found = read_table("found.parquet").to_pylist()
    assert len(expected) > 300
    assert sorted(tuple(row[name] for name in names) for row in found) == expected
    assert {row["policy_version"] for row in found} == {"hasty-1"}


def test_a_file_packed_without_segments_refuses_rules_that_ask_for_them(cli: Callable[..., Result]) -> None:
    """It names the policy and says what to do; for any other policy such a file is as good as ever."""
    assert cli("pack", "history.jsonl", "-o", "packed.parquet").exit_code == 0
    table = read_table("packed.parquet").drop_columns(["segment"])
    packed = ParquetFile("packed.parquet").metadata.metadata[b"journeys_packed"]
    facts = json.loads(packed) | {"version": 1}
    write_table(table.replace_schema_metadata({b"journeys_packed": json.dumps(facts)}), "earlier.parquet")
    rule = '[[deadlines.by]]\nname = "companies"\nsegment = "b2b"\ninactivity_hours = 240\n'
    Path("segments.toml").write_text('version = "segments-1"\n' + rule, encoding="utf-8")
    refused = cli("backtest", "earlier.parquet", "--policy", "hasty.toml", "--policy", "segments.toml")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert (
        "packed without segments, for which deadline rules of segments-1 ask: pack the history again" in refused.stderr
    )
    again = cli("backtest", "earlier.parquet", "--policy", "hasty.toml")
    assert (again.exit_code, again.stdout) == (0, cli("backtest", "packed.parquet", "--policy", "hasty.toml").stdout)
    assert cli("backtest", "packed.parquet", "--policy", "segments.toml").exit_code == 0


def test_durations_are_swept(cli: Callable[..., Result]) -> None:
    """Each policy with each of them, as if each had a file of its own; many policies are a line each."""
    few = cli("backtest", "history.jsonl", "--inactivity-hours", "24", "--json")
    by_file = cli("backtest", "history.jsonl", "--policy", "hasty.toml", "--json")
    (one,), (other,) = (json.loads(found.stdout)["policies"] for found in (few, by_file))
    assert one.pop("version") == "default-1 24h"
    assert other.pop("version") == "hasty-1"
    assert one == other
    many = cli("backtest", "history.jsonl", "--inactivity-hours", "24,48,72", "--timeout-days", "7, 14.5")
    assert many.exit_code == 0, many.output
    names = [f"default-1 {hours}h {days}d" for hours in (24, 48, 72) for days in ("7", "14.5")]
    assert [line.split(" │")[0].strip() for line in many.stdout.splitlines() if "default-1" in line] == names


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--inactivity-hours", "24,x"), "'x' is no number; expected numbers such as 24,48,72"),
        (("--timeout-days", "0"), "deadlines.timeout_days: '0' input should be greater than 0"),
        (("--timeout-days", ",".join(map(str, range(1, 502)))), "501 policies; expected at most 500"),
        (("--inactivity-hours", "24,24.0"), "version 'default-1 24h' is in two of the policies"),
    ],
)
def test_durations_that_no_policy_can_have(cli: Callable[..., Result], options: tuple[str, ...], why: str) -> None:
    """The option, the value and what would be right."""
    refused = cli("backtest", "history.jsonl", *options)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert why in refused.stderr.replace("\n", " ")


def test_bad_lines_are_told_and_counted(cli: Callable[..., Result]) -> None:
    """Numbers go to standard error when packed, the count again when used; --strict makes them an exit code."""
    lines = Path("history.jsonl").read_text(encoding="utf-8").splitlines()
    lines.insert(1, '{"journey_id": "a"}')
    Path("bad.jsonl").write_text("\n".join(lines), encoding="utf-8")
    packed = cli("pack", "bad.jsonl", "-o", "packed.parquet", "--strict")
    assert packed.exit_code == 2
    assert "bad.jsonl: line 2: touchpoint_id" in packed.stderr
    assert "bad lines: 1" in packed.stderr
    used = cli("backtest", "packed.parquet")
    assert used.exit_code == 0
    assert "1 bad lines were left out" in used.stderr


@pytest.mark.parametrize("command", [("pack", "-o", "packed.parquet"), ("backtest",), ("backtest", "--reference")])
def test_punctuations_are_refused(cli: Callable[..., Result], command: tuple[str, ...]) -> None:
    """History with time of its own is refused, with the line's number, and nothing is written."""
    Path("timed.jsonl").write_text('{"kind": "punctuation", "at": "2026-01-31T12:00:00Z"}\n', encoding="utf-8")
    name, *options = command
    refused = cli(name, "timed.jsonl", *options)
    assert refused.exit_code == 2
    assert "timed.jsonl: " in refused.stderr
    assert "a punctuation: a backtest takes history without time of its own" in refused.stderr
    assert not Path("packed.parquet").exists()


def test_policies_of_one_version_are_refused(cli: Callable[..., Result]) -> None:
    """Two columns of one name would say nothing."""
    refused = cli("backtest", "history.jsonl", "--policy", "hasty.toml", "--policy", "hasty.toml")
    assert refused.exit_code == 2
    assert "version 'hasty-1' is in two of the policies" in refused.stderr


def test_history_without_a_record(cli: Callable[..., Result]) -> None:
    """An empty file packs, and comes to nothing."""
    Path("empty.jsonl").write_text("", encoding="utf-8")
    assert cli("pack", "empty.jsonl", "-o", "packed.parquet").exit_code == 0
    done = cli("backtest", "packed.parquet", "--output", "nothing.parquet", "--abandonments", "none.parquet")
    assert done.exit_code == 0, done.stderr
    (row,) = read_table("nothing.parquet").to_pylist()
    assert row["abandonments"] == row["episodes"] == row[f"abandonments_{REASONS[0].lower()}"] == 0
    assert read_table("none.parquet").num_rows == 0


def test_the_readme_block_runs(tmp_path: Path) -> None:
    """What the README says to whoever chooses policies, as it stands there."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", _README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if "journeys backtest" in block]
    environment: dict[str, Any] = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    }
    commands = f"journeys generate --journeys 200 --seed 7 --output touchpoints.jsonl\n{block}"
    made = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", commands],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert "returns: wrongly abandoned" in made.stdout
