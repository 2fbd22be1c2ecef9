"""The local stack, all of it, as docs/bigquery.md has it started, used and stopped."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.fixtures.left_out import needs_maven

ROOT = Path(__file__).parent.parent.parent
SECONDS = 240
MAKE = {"make bigquery-up": "journeys stack up", "make bigquery-down": "journeys stack down"}


@pytest.fixture
def shell(tmp_path):
    """Give a shell that can be told commands one block after the other, in an empty folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")}
    environment.pop("COLUMNS", None)  # a table is folded to it
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DOCKER_HOST": "unix:///nowhere/docker.sock",  # a Kafka of its own, as where there is no Docker
    }
    yield lambda commands: run(commands, tmp_path, environment)
    run("journeys stack down", tmp_path, environment)
    for process in processes_in(tmp_path):
        process.kill()


def run(commands, folder, environment):
    """Run commands to their end; what they leave running goes on."""
    return subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def processes_in(folder):
    """Processes that work in a folder or below."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(folder):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


@pytest.mark.broker
@pytest.mark.slow
@needs_maven
def test_the_stack_is_used_as_its_page_says(shell, tmp_path):
    """Up, filled, asked, looked at, down: each part answers, rows arrive, and no process is left."""
    page = (ROOT / "docs" / "bigquery.md").read_text("utf-8")
    page = page[page.index("## Try it here") : page.index("## Tables and views")]
    (up, down), (asking,) = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("sh", "python"))
    for target, command in MAKE.items():
        assert re.search(
            rf"^{target.split()[1]}:.*\n\t\$\(BIN\)/{command}$", (ROOT / "Makefile").read_text(), re.MULTILINE
        )
        up, down = up.replace(target, command), down.replace(target, command)
    assert shell("journeys stack status").returncode == 1, "nothing runs yet"
    assert shell("journeys bigquery diff").stderr.startswith("journeys: no BigQuery is configured; ")
    # A worker that outlives its shell would keep the shell's pipes open.
    up = up.replace("journeys worker &", "journeys worker >worker.log 2>&1 & echo $! >worker.pid")
    done = shell(up)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "journeys.journeys is as the contracts say" in done.stdout
    parts = re.findall(r"^ *(.+?) +│ answers +│ \S+ +│ (\S+)", done.stdout, re.MULTILINE)
    assert {name for name, _ in parts} >= {"Kafka", "BigQuery emulator", "schema registry", "Kafka Connect"}
    for _, log in parts:
        assert log == "-" or (tmp_path / log).is_file()
    (tmp_path / "ask.py").write_text(asking)
    deadline = time.monotonic() + SECONDS
    while not (rows := shell("python ask.py").stdout):
        assert time.monotonic() < deadline, (tmp_path / "worker.log").read_text()[-2000:]
        time.sleep(1)
    assert {line.split()[0] for line in rows.splitlines()} <= {"TIMEOUT", "INACTIVITY", "BUDGET_EXHAUSTED"}
    done = shell(down.replace("kill %1", "kill $(cat worker.pid)"))
    assert (done.returncode, done.stdout) == (0, "stopped\n")
    assert shell("journeys stack status").returncode == 1
    assert not [process for process in processes_in(tmp_path) if is_running(process)]


def is_running(process):
    """Whether a process goes on when it has had the time to end."""
    _, left = psutil.wait_procs([process], timeout=30)
    return bool(left)
