"""`journeys bigquery ...` on a dataset of the emulator, as a process."""

import subprocess
import sys
from os import environ
from pathlib import Path

from .next_version import environment_of

ROOT = Path(__file__).parent.parent.parent


def bigquery_command(house, *words):
    """Run `journeys bigquery ...` on a dataset to its end."""
    process = started_command(house, *words)
    said, complained = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, said, complained)


def started_command(house, *words):
    """Start `journeys bigquery ...` on a dataset."""
    inherited = {name: value for name, value in environ.items() if not name.startswith("JOURNEYS_")}
    return subprocess.Popen(
        [sys.executable, "-m", "journeys.cli", "bigquery", *words],
        cwd=ROOT,
        env=inherited | {"PYTHONPATH": str(ROOT)} | environment_of(house),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
