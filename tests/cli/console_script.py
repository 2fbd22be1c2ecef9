"""The installed program `journeys`, run as a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

JOURNEYS = Path(sys.executable).with_name("journeys")
# Without the settings of whoever runs the tests, and without COLUMNS, which pytest-xdist sets.
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_") and name != "COLUMNS"
}


def journeys(*arguments: str, cwd: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run it in a folder to its end; `env` adds to the environment."""
    environment = ENVIRONMENT | more.pop("env", {})
    options = {"capture_output": True, "text": True, "timeout": 120} | more
    return subprocess.run([JOURNEYS, *arguments], cwd=cwd, env=environment, check=False, **options)


@contextmanager
def started(*arguments: str, cwd: Path, **more: Any) -> Iterator[subprocess.Popen[str]]:
    """Start it with pipes, with Ctrl-C as in a terminal; it is gone at the end of the block."""
    # A test run in the background of a shell ignores interrupts, and what it starts would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
    try:
        process = subprocess.Popen([JOURNEYS, *arguments], cwd=cwd, env=ENVIRONMENT, text=True, **pipes)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
