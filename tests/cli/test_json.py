"""`--json`: one document on stdout whose keys docs/command-line.md names, with errors and exit codes as ever."""

import asyncio
import json

import pytest
import typer

from journeys.cli.main import app
from journeys.cli.output import print_json
from tests.bigquery.exports import exported
from tests.bigquery.rows import abandonment
from tests.engine.comparison import needs_engine
from tests.trainer.store_of_journeys import ManualClock, fill

from .history import HISTORY, write_lines
from .json_keys import DOCUMENTED, checked
from .test_help import COMMANDS


@pytest.fixture
def store(tmp_path):
    """Give the store of a manager that has stopped, with open, abandoned and returned journeys."""
    path = tmp_path / "journeys.sqlite3"
    asyncio.run(fill(path, 40, ManualClock()))
    return str(path)


def test_every_command_that_has_the_option_is_documented_and_no_other():
    """So that the page can be relied on."""
    root = typer.main.get_command(app)
    having = set()
    for path in COMMANDS:
        command = root
        for name in path:
            command = command.commands[name]
        if any("--json" in option.opts for option in command.params):
            having.add(" ".join(path))
    assert having == set(DOCUMENTED)


def test_a_store(cli, store):
    """Shown, checked, commanded; what is refused ends with 1 and is a document all the same."""

    def document(*words, exit_code=0):
        result = cli(*words, "--store", store, "--json")
        assert (result.exit_code, result.stderr) == (exit_code, ""), result.output
        return checked(words[0], result.stdout)

    shown = document("show", "journey-00005")
    assert shown["episode"]["state"] == "INTENT"
    assert shown["previous_episode"]["total_penalty_micros"] == shown["abandonments"][0]["total_penalty_micros"]
    nobody = document("show", "nobody", exit_code=1)
    assert (nobody["has_row"], nobody["episode"]) == (False, None)
    at = ("--at", shown["clock"])
    extended = document("extend", "journey-00005", "--days", "1", *at)
    assert (extended["ok"], extended["record"]["kind"]) == (True, "extended")
    assert document("abandon", "journey-00005", *at)["record"]["abandonment_reason"] == "MANUAL_TERMINATION"
    refused = document("abandon", "journey-00005", *at, exit_code=1)
    assert (refused["ok"], refused["answer"]) == (False, "refused: already_abandoned")
    report = document("check")
    assert report["ok"]
    assert {topic["topic"]: topic["missing"] for topic in report["topics"]} == {
        "journey-abandonments": 0,
        "journey-lifecycle": 0,
        "journey-events.dead-letter": 0,
    }


@needs_engine
def test_history(cli, tmp_path):
    """Replayed, packed and compared: the same counts and sums in each."""
    path = write_lines(tmp_path / "history.jsonl", HISTORY)
    replayed = cli("replay", path, "--json", "--output", "out.jsonl")
    assert (replayed.exit_code, replayed.stderr) == (0, "")
    summary = checked("replay", replayed.stdout)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert summary["total_penalty_micros"] == sum(line["total_penalty_micros"] for line in lines)
    assert sum(summary["abandonments"].values()) == len(lines)
    packed = cli("pack", path, "--output", "packed.parquet", "--json")
    assert (packed.exit_code, packed.stderr) == (0, "")
    assert checked("pack", packed.stdout) == {"records": len(HISTORY), "journeys": 3, "bad_lines": 0}
    (policy,) = checked("backtest", cli("backtest", "packed.parquet", "--json").stdout)["policies"]
    assert policy["abandonments"] == summary["abandonments"]
    assert policy["total_penalty_micros"] == summary["total_penalty_micros"]


@pytest.mark.parametrize("option", ["--output", "--lifecycle"])
def test_a_replay_prints_one_document_or_its_records(cli, tmp_path, option):
    """Both on standard output would be neither."""
    write_lines(tmp_path / "history.jsonl", HISTORY)
    files = {"--output": "out", "--lifecycle": "life"} | {option: "-"}
    result = cli("replay", "history.jsonl", "--json", *(word for pair in files.items() for word in pair))
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{option}: --json prints its document to standard output: name a file" in result.stderr


def test_policies(cli, tmp_path):
    """Shown and checked without a broker."""
    (policy,) = checked("policy show", cli("policy", "show", "--default", "--json").stdout)["policies"]
    assert (policy["version"], policy["partitions"]) == ("default-1", None)
    assert policy["policy"]["deadlines"]["timeout_days"] == "14"
    (tmp_path / "p.toml").write_text('version = "p-1"\n[deadlines]\ntimeout_days = 7\n')
    assert checked("policy check", cli("policy", "check", "p.toml", "--json").stdout) == {
        "version": "p-1",
        "differences": [{"key": "deadlines.timeout_days", "default": "14", "value": "7"}],
        "idle_rules": [],
        "cleanup_shorter_than_horizon": False,
    }
    rule = '[[deadlines.by]]\nname = "{}"\ninactivity_hours = 1\n'
    (tmp_path / "p.toml").write_text('version = "p-2"\n' + rule.format("one") + rule.format("two"))
    idle = checked("policy check", cli("policy", "check", "p.toml", "--json").stdout)["idle_rules"]
    assert idle == [{"rule": "two", "duration": "inactivity_hours", "behind": ["one"]}]


def test_settings(cli, monkeypatch):
    """Unknown variables are in the document."""
    monkeypatch.setenv("JOURNEYS_PARTITION", "9")
    result = cli("config", "--json")
    assert result.stderr == ""
    config = checked("config", result.stdout)
    assert config["unknown_variables"] == ["JOURNEYS_PARTITION"]
    assert {"variable": "JOURNEYS_PARTITIONS", "value": "4", "source": "default"} in config["settings"]


def test_servers_that_were_never_started(cli):
    """Exit code 1, and a document."""
    for words in (("broker", "status"), ("stack", "status")):
        result = cli(*words, "--json")
        assert (result.exit_code, result.stderr) == (1, "")
        checked(" ".join(words), result.stdout)


def test_a_report(cli, tmp_path):
    """Rows under the names of their columns."""
    folder = exported(tmp_path / "export", [abandonment(1)], [])
    result = cli("report", "--folder", str(folder), "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    report = checked("report", result.stdout)
    assert report["outcomes"][0]["abandonments"] == 1
    assert isinstance(report["by_reason"][0]["penalty_micros"], int)


def test_an_error_leaves_stdout_empty(cli):
    """As without the option."""
    result = cli("policy", "check", "nowhere.toml", "--json")
    assert (result.exit_code, result.stdout) == (2, "")


def test_nothing_in_a_document_moves_a_cursor(capsys):
    """Not even what JSON lets pass, such as the C1 control characters."""
    print_json({"reason": "\x1b[2J\x9b2J\u202e"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert "\x1b" not in out
    assert json.loads(out) == {"reason": "\x1b[2J\x9b2J\u202e"}
