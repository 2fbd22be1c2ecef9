"""What reaches a terminal or a pipe: nothing cut, nothing of others that is markup or moves the cursor."""

import ast
import asyncio
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from io import StringIO

import pytest

from journeys.cli.screen import Screen, new_table
from journeys.schemas.printable import printable, printable_lines
from training_orchestrator import JourneyTimeoutManager

from .console_script import ENVIRONMENT, JOURNEYS, journeys
from .test_errors import PROJECT

EVIL = "\x1b[2J\x9b31m[red]:smile:\u202e\r\n\x07"
LONG = "a-journey-" + "x" * 200


@pytest.fixture
def store(tmp_path):
    """Give a store with a journey whose id is long, and one whose id would clear a terminal."""
    path = tmp_path / "live.sqlite3"

    async def run():
        async with JourneyTimeoutManager(store_path=path) as manager:
            for journey in (LONG, EVIL):
                await manager.record_touchpoint(journey, state="INTENT", cost="2.5", user_id=journey)

    asyncio.run(run())
    return str(path)


def in_terminal(*arguments, cwd, columns, **env):
    """Run the program in a pseudo terminal of so many columns; give all that it wrote there, line by line."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = ENVIRONMENT | {"TERM": "xterm"} | env
    with subprocess.Popen([JOURNEYS, *arguments], cwd=cwd, env=environment, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 65_536)
            except OSError:  # what Linux says once the other side is closed
                break
            if not part:
                break
            written += part
    os.close(ours)
    assert process.returncode in (0, 1)
    return written.decode()


def test_control_characters_are_escaped_and_letters_are_not():
    """Also those above ASCII, the ones that turn the direction of text, and lone surrogates."""
    assert printable("Zürich 東京 [red] \\") == "Zürich 東京 [red] \\"
    assert printable("हिन्दी עברית 한국어 é❤") == "हिन्दी עברית 한국어 é❤"
    assert printable("\x1b[2J\x9b\x07\r\n\u202e\ud800") == r"\x1b[2J\x9b\x07\r\n\u202e\ud800"
    assert printable_lines("a\tb\n\x1bc\n") == "a       b\n\\x1bc\n"


def test_a_cell_is_neither_markup_nor_control():
    """Titles, headings and cells; with colours, too."""
    screen = Screen(StringIO())
    table = new_table(EVIL, "b", title=EVIL)
    table.add_row(EVIL, "x")
    screen.print(table)
    text = screen.file.getvalue()
    assert text.count(r"\x1b[2J\x9b31m[red]:smile:\u202e\r\n\x07") == 3
    assert all(character.isprintable() or character == "\n" for character in text)


def test_into_a_pipe_nothing_is_cut(store, tmp_path):
    """The whole id stands in its line, whatever its length."""
    shown = journeys("show", LONG, "--store", store, cwd=tmp_path)
    assert shown.returncode == 0
    assert re.search(rf"^ user +│ {LONG} ", shown.stdout, re.MULTILINE)
    assert f"journey {LONG}\n" in shown.stdout


@pytest.mark.parametrize("env", [{}, {"TERM": "dumb"}, {"NO_COLOR": "1"}], ids=str)
def test_on_a_terminal_cells_are_folded_at_its_width(store, tmp_path, env):
    """Whole, over several lines; also where rich would take a terminal for 80 columns wide."""
    written = in_terminal("show", LONG, "--store", store, cwd=tmp_path, columns=100, **env)
    rows = [line for line in written.splitlines() if "│" in line]
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", row) for row in rows]
    assert max(map(len, plain)) == 100
    assert LONG in "".join(row.split("│")[1].strip() for row in plain if not row.startswith(" state"))
    if env:
        assert not re.search(r"\x1b\[[0-9;]*3\d", written), "a colour"


def test_columns_are_those_of_the_environment(store, tmp_path):
    """In a pipe, too."""
    shown = journeys("show", LONG, "--store", store, cwd=tmp_path, env={"COLUMNS": "60"})
    assert max(len(line) for line in shown.stdout.splitlines() if "│" in line) == 60


def test_what_others_wrote_moves_no_cursor(store, tmp_path):
    """Table, title and error line, on a terminal."""
    shown = in_terminal("show", EVIL, "--store", store, cwd=tmp_path, columns=120)
    unknown = in_terminal("check", "--store", store, cwd=tmp_path, columns=120, NO_COLOR="1")
    assert "[red]:smile:" in shown
    for written in (shown, unknown):
        assert not re.findall(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b\x0c\x0e-\x1a\x80-\x9f\u202e]", written)
    assert "\x1b[2J" not in shown
    failed = journeys("show", "x", "--store", EVIL.replace("/", ""), cwd=tmp_path)
    assert failed.returncode == 2
    (line,) = failed.stderr.splitlines()
    assert line.isprintable()
    (line,) = journeys(EVIL, cwd=tmp_path).stderr.splitlines()
    assert line.isprintable()


def test_lines_on_a_terminal_are_ascii(tmp_path):
    """As JSON they say the same; into a pipe they are as they were."""
    line = '{"journey_id":"j\u009b2J","touchpoint_id":"t","occurred_at":"2026-01-01T00:00:00Z","cost":1}\n'
    (tmp_path / "h.jsonl").write_text(line)
    until = ("--until", "2026-02-01T00:00:00Z")
    written = in_terminal("replay", "h.jsonl", "-q", *until, cwd=tmp_path, columns=80)
    assert r"j\u009b2J" in written
    assert "j\u009b2J" in journeys("replay", "h.jsonl", "-q", *until, cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("from journeys.cli.main import app, run\n@app.command()\ndef fail(): raise RuntimeError(EVIL)\nrun()", 1),
        ("from journeys.cli.operation import quiet_clients\nquiet_clients()\nlogging.error(EVIL)", 0),
        ("set_up_logging(Settings())\nlogging.error(EVIL)", 0),
        ("set_up_logging(Settings())\nlogging.error(0, extra=MORE)", 0),
    ],
    ids=["traceback", "client's log", "worker's log", "field of a log"],
)
def test_tracebacks_and_logs_move_no_cursor(tmp_path, code, exit_code):
    """They hold texts of others."""
    imported = "from journeys.agents.settings.log_setup import Settings, set_up_logging"
    code = f"import logging\n{imported}\nEVIL = {EVIL!r}\nMORE = {{'reason': EVIL}}\n{code}"
    command = [JOURNEYS.with_name("python"), "-c", code, "fail"]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == exit_code
    assert r"\x1b[2J" in done.stderr
    assert all(character.isprintable() or character == "\n" for character in done.stderr)


def test_a_letter_that_the_encoding_lacks_is_escaped(store, tmp_path):
    """And ends no command."""
    shown = journeys("show", "Zürich", "--store", store, cwd=tmp_path, env={"PYTHONIOENCODING": "ascii"})
    assert shown.returncode == 1
    assert shown.stdout.startswith("journey Z\\xfcrich\n")


def test_only_the_files_for_it_write_to_a_stream():
    """So that no text finds a way around them."""
    printers = {"output.py", "screen.py", "command_line.py", "output_file.py"}
    forbidden = {"print", "typer.echo", "typer.secho", "Console", "Table", "Text", "Text.from_markup", "typer.confirm"}
    looked_at = 0
    for path in sorted((PROJECT / "cli").rglob("*.py")):
        if path.name in printers:
            continue
        looked_at += 1
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            assert name not in forbidden, path
            if isinstance(node, ast.Attribute):
                assert ast.unparse(node) != "sys.stderr", path
    assert looked_at > 40
