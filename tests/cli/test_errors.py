"""What goes wrong is told in one line, with exit code 2, and nothing that was not expected is hidden."""

import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from journeys.cli.command_line import CommandLine
from journeys.cli.expected_error import _EXTRAS
from tests.fixtures.left_out import left_out

from .console_script import ENVIRONMENT, journeys
from .history import HISTORY, write_lines

PROJECT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def nobody():
    """Give an address at which nobody answers: bound, so that nobody else takes it, and not listening."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def the_line(result) -> str:
    """Return the one line that was said; there is no other, and nothing on standard output."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["replay", "--colour"], "journeys replay: No such option: --colour"),
        (["replay"], "journeys replay: Missing argument 'SOURCE'"),
        (["fly"], "journeys: No such command 'fly'"),
        (["broker", "fly"], "journeys broker: No such command 'fly'"),
        (["ecom", "a", "b"], "journeys ecom: Got unexpected extra argument"),
        (
            ["replay", "a", "--until", "tomorrow"],
            "'--until': 'tomorrow' is not allowed; expected RFC 3339",
        ),
        (["replay", "a", "--until", "2026-01-01T00:00:00"], "expected RFC 3339 with a zone"),
        (["replay", "a", "--until", "12"], "expected an instant between 1990-01-01"),
        (["replay", "a", "--output", "x", "--lifecycle", "x"], "--output and --lifecycle name the same file"),
        (["generate", "--journeys", "0", "--seed", "1"], "Invalid value for '--journeys'"),
        (["generate", "--journeys", "many", "--seed", "1"], "Invalid value for '--journeys'"),
        (["abandon", "j", "--reason", "BOREDOM"], "Invalid value for '--reason'"),
        (["extend", "j"], "journeys extend: Missing option '--days'"),
        (["extend", "j", "--days", "-1"], "days: '-1' is not allowed; expected a number above zero"),
        (["extend", "j", "--days", "soon"], "days: 'soon' is not allowed; expected a number above zero"),
        (["replay", "topic:journey-lifecycle"], "only topic:journey-events holds what can be replayed"),
        (["replai", "x"], "journeys: No such command 'replai'. Did you mean 'replay'? See journeys --help"),
        (["topics", "chek"], "No such command 'chek'. Did you mean 'check'? See journeys topics --help"),
        (["--colour", "replay"], "journeys: No such option: --colour; see journeys --help"),
        (["replay", "--polcy", "x"], "No such option: --polcy (Possible options: --policy); see"),
        (["verify", "-j"], "journeys verify: No such option: -j"),
        (["replay", "--policy"], "journeys replay: Option '--policy' requires an argument; see journeys replay"),
        (["policy", "show", "--default=yes"], "journeys policy show: Option '--default' does not take a value"),
        (["generate", "--journeys", "5"], "Missing option '--seed'"),
        (["generate", "--journeys", "0", "--seed", "1"], "'0' is not allowed: input should be greater than or equal"),
        (["generate", "--journeys", "many", "--seed", "1"], "'many' is not allowed: input should be a valid integer"),
        (["worker", "--store", "sqlite"], "'--store': 'sqlite' is not one of 'memory', 'rocksdb'"),
        (["worker", "--metrics-port", "99999"], "'99999' is not allowed: input should be less than or equal to 65535"),
        (["check", "--differences", "-1"], "Invalid value for '--differences': '-1' is not allowed"),
        (["check", "--rebuild", "--store", "x"], "--rebuild is for the table of workers"),
        (["dead-letters", "show", "1"], "'1' is not TOPIC:PARTITION:OFFSET, such as journey-events:2:17"),
        (["dead-letters", "list", "--since", "yesterday"], "'--since': 'yesterday' is not allowed; expected RFC 3339"),
        (["backtest", "topic:other"], "only topic:journey-events holds what can be run again"),
        (["config", "extra"], "Got unexpected extra argument(s) (extra)"),
        (["bigquery", "archive", "--older-than-days", "5"], "Missing option '--to'"),
        (["sink", "bigquery", "--table", "other"], "Invalid value for --table: other is no table; there are"),
        (["config", "two\nlines"], "Got unexpected extra argument(s) (two\\x0alines)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage(cli, arguments, expected):
    """One line that says what is wrong, and where to read on."""
    line = the_line(cli(*arguments))
    assert expected in line
    assert "--help" in line


@pytest.mark.parametrize("command", ["replay", "produce", "import"])
def test_a_missing_file(cli, command):
    """Whatever is to be done with it."""
    assert the_line(cli(command, "nowhere.jsonl")) == "journeys: nowhere.jsonl: no such file"


def test_a_file_that_is_not_what_its_name_says(cli, tmp_path):
    """Parquet that is none."""
    (tmp_path / "x.parquet").write_text("no")
    assert the_line(cli("replay", "x.parquet")).startswith("journeys: x.parquet: not Parquet: ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["backtest", "nowhere.parquet"], "nowhere.parquet: no such file"),
        (["pack", "nowhere.jsonl", "--output", "x"], "nowhere.jsonl: no such file"),
        (["policy", "check", "nowhere.toml"], "nowhere.toml: can't be read: No such file or directory"),
        (["ecom", "--mapping", "nowhere.toml"], "nowhere.toml: can't be read: No such file or directory"),
        (["demo", "--mapping", "nowhere.toml"], "nowhere.toml: can't be read: No such file or directory"),
        (["show", "j", "--store", "nowhere.sqlite3"], "nowhere.sqlite3: there is no such store"),
        (["report", "--folder", "nowhere"], "nowhere has no Parquet files: write them with journeys export"),
        (["export", "--folder", "file/parquet"], "file/parquet.part/"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_other_files_that_are_missing(cli, tmp_path, arguments, expected):
    """Each is named, with what is the matter."""
    (tmp_path / "file").write_text("")
    assert the_line(cli(*arguments)).startswith(f"journeys: {expected}")


def test_a_log_that_is_missing(cli):
    """No broker was ever started here: said, with exit code 1."""
    result = cli("broker", "logs")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "journeys: .journeys/kafka: there is no log of a broker\n"


@pytest.mark.parametrize("output", ["nowhere/out.jsonl", "."])
def test_an_output_that_cannot_be_written(cli, tmp_path, output):
    """A folder that is not there, and one that is no file."""
    path = write_lines(tmp_path / "history.jsonl", HISTORY)
    assert the_line(cli("replay", path, "--output", output)).startswith(f"journeys: {output}: can't be written: ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason=left_out("linux"))
def test_a_full_disk(tmp_path):
    """Told as such, also where only the last flush finds out."""
    path = write_lines(tmp_path / "history.jsonl", HISTORY)
    done = journeys("replay", path, "--output", "/dev/full", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "journeys: /dev/full: can't be written: No space left on device\n")
    with Path("/dev/full").open("wb") as full:
        done = journeys("replay", path, cwd=tmp_path, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr == "journeys: standard output: can't be written: No space left on device\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "can't be read: No such file or directory"),
        ("[deadlines", "not TOML"),
        ('version = "x"\n[deadlines]\ntimeout_days = -3\n', "deadlines.timeout_days: '-3' input should be greater"),
        ('version = "x"\n[deadlines]\ntimeout_dayz = 3\n', "deadlines.timeout_dayz: no such key; expected one of"),
        ("[deadlines]\ntimeout_days = 3\n", "version: missing"),
    ],
)
@pytest.mark.parametrize("command", [["replay", "history.jsonl", "--policy"], ["policy", "check"], ["policy", "set"]])
def test_a_bad_policy(cli, tmp_path, command, text, expected):
    """File, key and value, before anything else is done."""
    write_lines(tmp_path / "history.jsonl", HISTORY)
    if text is not None:
        (tmp_path / "p.toml").write_text(text)
    line = the_line(cli(*command, "p.toml"))
    assert line.startswith("journeys: p.toml: ")
    assert expected in line


NEED_KAFKA = [
    ["topics", "create"],
    ["topics", "check"],
    ["produce", "history.jsonl"],
    ["produce", "-"],
    ["import", "history.jsonl"],
    ["watch"],
    ["show", "j"],
    ["abandon", "j"],
    ["extend", "j", "--days", "1"],
    ["replay", "topic:journey-events"],
    ["verify"],
    ["check"],
    ["check", "--rebuild"],
    ["policy", "show"],
    ["policy", "set", "p.toml"],
]


def no_answer(address: str) -> str:
    """Return what is said of a broker that does not answer."""
    return (
        f"journeys: no broker answers at {address}; "
        "start one with `journeys broker start` or set JOURNEYS_BOOTSTRAP_SERVERS"
    )


@pytest.mark.parametrize("command", NEED_KAFKA, ids=" ".join)
def test_a_broker_that_is_not_there(cli, tmp_path, nobody, command):
    """One line that names the address and says what to do."""
    write_lines(tmp_path / "history.jsonl", HISTORY)
    (tmp_path / "p.toml").write_text('version = "p-1"\n')
    assert the_line(cli(*command, "--bootstrap-servers", nobody)) == no_answer(nobody)


def test_a_worker_whose_broker_is_not_there(tmp_path, nobody):
    """The same, from a process of its own, with the code that asks its supervisor to try again."""
    done = journeys("worker", cwd=tmp_path, env={"JOURNEYS_BOOTSTRAP_SERVERS": nobody})
    assert (done.returncode, done.stdout, done.stderr) == (74, "", no_answer(nobody) + "\n")


def test_a_worker_without_any_kafka(tmp_path):
    """Nothing that a supervisor's patience could mend."""
    done = journeys("worker", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("journeys: no Kafka is configured; start one with ")


def test_no_broker_at_all(cli):
    """None is configured, none was started here."""
    assert the_line(cli("verify")).startswith("journeys: no Kafka is configured; start one with")
    stopped = cli("broker", "status")
    assert (stopped.exit_code, stopped.stdout) == (1, "no broker was ever started here\n")
    assert cli("broker", "stop").stdout == "no broker runs\n"


@pytest.mark.parametrize("setting", ["JOURNEYS_PARTITIONS", "JOURNEYS_REPLICATION_FACTOR"])
def test_a_bad_setting(cli, monkeypatch, setting):
    """Its name and its value."""
    monkeypatch.setenv(setting, "some")
    name = setting.removeprefix("JOURNEYS_").lower()
    assert the_line(cli("verify")).startswith(f"journeys: setting {name}: 'some' is not allowed: ")


def test_a_package_that_is_not_installed_is_named_with_its_extra(tmp_path):
    """A plain install has no Kafka client."""
    code = "import sys\nsys.modules['aiokafka'] = None\nfrom journeys.cli.main import run\nrun()"
    command = [sys.executable, "-c", code, "verify"]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "journeys: this needs the package aiokafka, which is not installed: pip install 'gaelp-journeys[kafka]'\n"
    )


def test_the_extras_exist():
    """They are text in the code: they must be those of pyproject.toml."""
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for package, extra in _EXTRAS.items():
        distribution = {"faust": "faust-streaming", "mode": "faust-streaming"}.get(package, package.replace("_", "-"))
        assert any(wanted.startswith(distribution) for wanted in extras[extra]), package


def test_what_nobody_expected_keeps_its_traceback():
    """A fault of the program must not look like one of its user."""
    app = typer.Typer(cls=CommandLine)

    @app.command()
    def one() -> None:
        raise KeyError("a fault")

    @app.command()
    def other() -> None: ...

    result = CliRunner().invoke(app, ["one"])
    assert isinstance(result.exception, KeyError)
