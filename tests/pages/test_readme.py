"""What the README says, run as it stands there."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from journeys.agents.settings.settings import Settings
from tests.fixtures.left_out import left_out

PROJECT = Path(__file__).parents[2]
BLOCKS = re.findall(
    r"^```sh( second-terminal)?\n(.*?)^```$", (PROJECT / "README.md").read_text(), re.MULTILINE | re.DOTALL
)
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")} | {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
}


def run(commands: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a block as a shell would, stopping at the first command that fails."""
    command = ["/bin/bash", "-euo", "pipefail", "-c", commands]
    return subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=180, check=False
    )


def wait_for(text: str, log: Path) -> None:
    """Wait, as a reader would, until a program says that it is at work."""
    deadline = time.monotonic() + 60
    while text not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


@pytest.fixture
def second_terminals(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Programs that go on while the README does; ended with the test, and the broker too if the README did not."""
    running: list[subprocess.Popen[bytes]] = []
    yield running
    for process in running:
        process.kill()
        process.wait()
    run("journeys broker stop", tmp_path)


@pytest.mark.broker
@pytest.mark.slow
def test_every_command_of_the_readme_runs(tmp_path: Path, second_terminals: list[subprocess.Popen[bytes]]) -> None:
    """All blocks in their order, in an empty folder; the second terminal's go on in the background."""
    assert [bool(kind) for kind, _ in BLOCKS] == [False, False, False, True, False, False]
    said = left = ""
    for number, (kind, commands) in enumerate(BLOCKS, start=1):
        if number == len(BLOCKS):
            for process in second_terminals:
                process.send_signal(signal.SIGINT)
                assert process.wait(30) == 0, (tmp_path / "second-terminal.log").read_text()
        if kind:
            with (tmp_path / "second-terminal.log").open("wb") as log:
                # exec, so that the signal reaches the program and not a shell.
                command = ["/bin/bash", "-c", f"exec {commands}"]
                second_terminals.append(
                    subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, stdout=log, stderr=log)
                )
                wait_for("restored", tmp_path / "second-terminal.log")
            continue
        if "journeys pack" in commands and find_spec("journeys.engine") is None:
            left = left_out("engine")
            continue
        done = run(commands, tmp_path)
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        said += done.stdout
    assert "extended to" in said
    assert "abandoned at" in said
    if left:
        pytest.skip(left)
    assert re.search(r"journey-abandonments\W+1\W+0\W+0\W+0\W+0", said), said


def test_the_settings_page_names_every_setting() -> None:
    """docs/settings.md and agents/settings/settings.py say the same names."""
    named = set(re.findall(r"JOURNEYS_([A-Z_]+)", (PROJECT / "docs/settings.md").read_text()))
    assert named == {name.upper() for name in Settings.model_fields}
