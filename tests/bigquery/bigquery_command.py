"""`journeys bigquery ...` on a dataset of the emulator, as a process."""

import subprocess
import sys
from os import environ
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def bigquery_command(house, *words):
    """Run `journeys bigquery ...` on a dataset."""
    settings = {
        "PYTHONPATH": str(ROOT),
        "JOURNEYS_BIGQUERY_PROJECT": house.project,
        "JOURNEYS_BIGQUERY_DATASET": house.dataset,
        "JOURNEYS_BIGQUERY_ENDPOINT": str(house.endpoint),
        "JOURNEYS_BIGQUERY_GRPC_ENDPOINT": str(house.grpc_endpoint),
    }
    return subprocess.run(
        [sys.executable, "-m", "agents.cli", "bigquery", *words],
        cwd=ROOT,
        env={name: value for name, value in environ.items() if not name.startswith("JOURNEYS_")} | settings,
        capture_output=True,
        text=True,
        check=False,
    )
