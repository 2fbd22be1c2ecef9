"""What `--help` says, and what it costs."""

import platform
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import pytest
import typer
from typer.core import TyperGroup

from journeys.cli.main import app

from .console_script import ENVIRONMENT, journeys
from .history import HISTORY, write_lines


def commands(group: TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of all commands that do something."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


COMMANDS = list(commands(typer.main.get_command(app)))
GROUPS = sorted({path[:-1] for path in COMMANDS})
# What the command line can do without, and what costs most to import.
HEAVY = {"faust", "mode", "aiokafka", "pyarrow", "httpx", "pyruhvro"}


def test_all_commands_are_there():
    """Those that users were promised."""
    assert {" ".join(path) for path in COMMANDS} >= {
        *("broker start", "broker stop", "broker status", "broker logs", "topics create", "topics check"),
        *(
            "worker",
            "produce",
            "import",
            "generate",
            "watch",
            "dashboard",
            "show",
            "abandon",
            "extend",
            "replay",
            "verify",
            "check",
        ),
        *("ecom", "policy show", "policy check", "policy set"),
    }


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_explains_and_gives_one_example(cli, path):
    """An explanation, and one example that is this very command."""
    result = cli(*path, "--help")
    assert result.exit_code == 0
    usage, _, rest = result.stdout.partition("\n\n")
    assert usage.startswith(f"Usage: journeys {' '.join(path)} ")
    explanation = rest.partition("\n\n")[0]
    assert explanation.startswith("  ")
    assert len(explanation.split()) >= 5
    assert rest.count("Example:") == 1
    assert f"Example: journeys {' '.join(path)}" in rest


@pytest.mark.parametrize("path", [*GROUPS, *COMMANDS], ids=" ".join)
def test_help_reads_well_in_80_columns(cli, path):
    """By either name no line is longer, none is cut short, and an example is on one line."""
    result = cli(*path, "-h")
    assert result.exit_code == 0
    assert result.stdout == cli(*path, "--help").stdout
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if line.rstrip().endswith("...") and "Usage:" not in line and "ARGS" not in line]
    (example,) = [line for line in lines if "Example:" in line]
    assert example.startswith(f"  Example: journeys {' '.join(path)}".rstrip())


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_an_example_can_be_used(path):
    """Its options and arguments are those of the command."""
    root = typer.main.get_command(app)
    command = root
    for name in path:
        command = command.commands[name]
    words = shlex.split(command.epilog.removeprefix("Example: journeys "))[len(path) :]
    command.make_context(" ".join(path), words)


@pytest.mark.parametrize("group", [(), ("broker",), ("topics",), ("policy",)], ids=" ".join)
def test_a_group_without_a_command_says_what_there_is(cli, group):
    """As its help does; no command is wrong usage. No line of it is cut short."""
    result = cli(*group)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == cli(*group, "--help").stdout
    assert "..." not in result.stderr.replace("[ARGS]...", "")


def loaded_by(*arguments: str) -> set[str]:
    """Top-level modules that a command has loaded by its end."""
    code = (
        "import sys\n"
        "from journeys.cli.main import app\n"
        "try:\n    app(sys.argv[1:])\n"
        "finally:\n    print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


def test_help_and_replay_load_no_kafka_and_no_parquet(tmp_path):
    """They answer at once, and work where those packages are not installed."""
    path = write_lines(tmp_path / "history.jsonl", HISTORY)
    assert not loaded_by("--help") & {*HEAVY, "rich", "fastavro", "pydantic_settings"}
    assert not loaded_by("replay", "--help") & {*HEAVY, "rich", "fastavro", "pydantic_settings"}
    assert not loaded_by("replay", path, "--output", str(tmp_path / "out.jsonl")) & {*HEAVY, "pydantic_settings"}


def test_the_console_script_is_installed(tmp_path):
    """The program itself, not only its functions."""
    done = journeys("-h", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: journeys [OPTIONS] COMMAND [ARGS]...")


def test_a_librarys_daemon_thread_does_not_cut_a_command_short(cli, monkeypatch):
    """GRPC keeps one for good: the process, with whoever else is in it, ended in an instant."""
    monkeypatch.setattr("os._exit", pytest.fail)
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    assert cli("config").exit_code == 0


def test_the_versions(tmp_path):
    """Of package, engine, Kafka client and Python; whatever the settings are."""
    lines = journeys("--version", cwd=tmp_path).stdout.splitlines()
    assert lines[0] == f"journeys {version('gaelp-journeys')}"
    assert re.match(r"engine: (compiled|reference) \(.+\)", lines[1])
    assert lines[2] == f"Kafka client: aiokafka {version('aiokafka')}, faust-streaming {version('faust-streaming')}"
    assert lines[3].startswith(f"Python: {platform.python_version()} ")
    wrong = journeys("--version", cwd=tmp_path, env={"JOURNEYS_ENGINE": "diesel"})
    assert (wrong.returncode, wrong.stderr) == (0, "")
    assert wrong.stdout.splitlines()[1].startswith("engine: none: setting engine: 'diesel' is not allowed")


def test_the_versions_where_no_kafka_client_is(cli, monkeypatch):
    """Said, with what to do."""

    def missing(distribution):
        raise PackageNotFoundError(distribution)

    monkeypatch.setattr("importlib.metadata.version", missing)
    assert "Kafka client: not installed: pip install 'gaelp-journeys[kafka]'\n" in cli("--version").stdout
