"""The demo: what a stranger runs first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]


def processes_with(marker: str) -> list[str]:
    """Command lines of processes whose environment carries the marker."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it ended, or is somebody else's
            continue
    return found


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--second-worker"]], ids=["one worker", "a second one comes and goes"])
def test_demo_proves_itself_and_leaves_nothing_behind(options: list[str], tmp_path: Path) -> None:
    """Exit 0, nothing missing, extra or different, all reasons seen, no process and no file left."""
    marker = f"JOURNEYS_TEST_MARK={tmp_path}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")}
    done = subprocess.run(
        [sys.executable, "-m", "journeys.cli", "demo", "--seconds", "4", *options],
        cwd=PROJECT,
        env=environment | {"JOURNEYS_TEST_MARK": str(tmp_path), "TMPDIR": str(tmp_path), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gives exactly what the worker published" in done.stdout
    for reason in ("TIMEOUT", "INACTIVITY", "COMPETITOR_CONVERSION", "BUDGET_EXHAUSTED", "USER_FATIGUE", "MANUAL_"):
        assert reason in done.stdout
    assert processes_with(marker) == []
    assert list(tmp_path.iterdir()) == []
