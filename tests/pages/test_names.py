"""Paths, commands, options, targets of make and exit codes that the pages name are there."""

import re
import shlex
import signal
import subprocess
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from journeys.agents.worker.ports.worker_exit import WorkerExit
from journeys.cli.command_line import BROKEN_PIPE, CHECK_FAILED, FINE, WRONG_INPUT
from journeys.cli.main import app

from .pages import DECISIONS, FENCE, INDENTED, PAGES, ROOT, blocks, name_of, spans, state, text_of

FILES = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
FOLDERS = {file.partition("/")[0] for file in FILES if "/" in file}
BASENAMES = {file.rpartition("/")[2] for file in FILES}
GONE = {page for page in DECISIONS if state(page).startswith("superseded by")}
INTERRUPTED = 128 + signal.SIGINT  # what typer makes of Ctrl-C
CODES = {*WorkerExit, FINE, CHECK_FAILED, WRONG_INPUT, BROKEN_PIPE, INTERRUPTED}
COMMANDS: Any = typer.main.get_command(app)


def words_of(code: str) -> list[str]:
    """Words of a command, as a shell would split it; by spaces where only a part of one is shown."""
    try:
        return shlex.split(code, comments=True)
    except ValueError:
        return code.split()


def is_there(path: str) -> bool:
    """Whether a path of the repository exists; modules may be named without their suffix."""
    return any((ROOT / name).exists() for name in (path, f"{path}.py", f"{path}.rs"))


@pytest.mark.parametrize("page", [page for page in PAGES if page not in GONE], ids=name_of)
def test_every_path_exists(page):
    """Files, folders, tests and names of source files; superseded decisions may name what is gone."""
    gone = []
    for word in (word for span in spans(page) for word in span.split()):
        path, _, test = word.rstrip("/,;:").partition("::")
        path = re.sub(r":\d+$", "", path)
        if "/" in path and re.fullmatch(r"[\w./-]+", path) and path.partition("/")[0] in FOLDERS:
            is_test_there = not test or f"def {test.partition('[')[0]}(" in (ROOT / path).read_text()
            gone += [] if is_there(path) and is_test_there else [word]
        elif re.fullmatch(r"\w+\.(py|rs|avsc)", path):
            gone += [] if path in BASENAMES else [word]
    assert not gone, f"{name_of(page)} names what is not there: {gone}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_module_exists(page):
    """What is run as `python -m MODULE`."""
    for module in re.findall(r"python3? -m\s+((?:benchmarks|tests|journeys)(?:\.\w+)*)", text_of(page)):
        path = module.replace(".", "/")
        assert is_there(path), f"{name_of(page)}: no such module: {module}"


def journeys_commands(page):
    """All that a page shows to be run as `journeys ...`, in code blocks and between backticks."""
    shell = "\n".join(blocks(page)).replace("\\\n", " ")
    shown = [*shell.splitlines(), *spans(page)]
    return [
        found for line in shown for found in re.findall(r"(?:^|[|;&(]|bin/) *journeys +((?:[^|;&#)]|\b\|\b)*)", line)
    ]


def options_of(command: Any) -> set[str]:
    """Options of a command, its own and those of the program."""
    parameters = [each for part in (command, COMMANDS) for each in part.params]
    return {option for each in parameters for option in (*each.opts, *each.secondary_opts)} | {"--help"}


def all_commands(command: Any = COMMANDS) -> list[Any]:
    """A command and all below it."""
    return [command, *(each for below in getattr(command, "commands", {}).values() for each in all_commands(below))]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_and_option_exists(page):
    """`journeys COMMAND --option`, with alternatives as in `show|check`; and options that stand alone."""
    for shown in journeys_commands(page):
        commands = [COMMANDS]
        for word in words_of(shown):
            if word.startswith("--"):
                option = word.partition("=")[0]
                assert any(option in options_of(command) for command in commands), f"{name_of(page)}: journeys {shown}"
            elif isinstance(commands[0], TyperGroup) and re.fullmatch(r"[a-z][a-z|-]*", word):
                for name in word.split("|"):
                    assert name in commands[0].commands, f"{name_of(page)}: journeys {shown}"
                commands = [commands[0].commands[name] for name in word.split("|")]
    known = {option for command in all_commands() for option in options_of(command)}
    for span in spans(page):
        if span.startswith("--"):
            assert span.split()[0].partition("=")[0] in known, f"{name_of(page)}: no command has {span}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_target_of_make_exists(page):
    """`make TARGET`, between backticks or at the beginning of a line of code."""
    makefile = (ROOT / "Makefile").read_text()
    shown = [word for block in blocks(page) for word in re.findall(r"^ *make ([a-z-]+)", block, re.MULTILINE)]
    shown += [span.split()[1] for span in spans(page) if re.match(r"make [a-z]", span)]
    for target in shown:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{name_of(page)}: make {target}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_exit_code_exists(page):
    """Those of a worker and of the command line."""
    prose = " ".join(INDENTED.sub("", FENCE.sub("", text_of(page))).split())
    for code in re.findall(r"\b(?:exit(?:s with| codes?)?|exit code is|ends? with(?: code)?|code) (\d+)\b", prose):
        assert int(code) in CODES, f"{name_of(page)}: exit code {code}"


def test_the_exit_codes_of_a_worker_are_those_of_the_page():
    """docs/settings.md has each, and no other."""
    table = text_of(ROOT / "docs/settings.md").partition("## Exit codes of a worker")[2]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == [
        int(code) for code in WorkerExit
    ]


def test_names_are_found():
    """The tests above look at many."""
    assert sum(len(journeys_commands(page)) for page in PAGES) > 100
