"""Builds the sdist and the wheel that would be published, once for all processes of a test run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]


def dist_of(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Folder with one sdist and one wheel: that of JOURNEYS_TEST_DIST (`make wheels`), else built here."""
    if given := os.environ.get("JOURNEYS_TEST_DIST"):
        return Path(given).resolve()
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "dist"
    with FileLock(f"{folder}.lock"):
        if not (folder / "complete").exists():
            build(folder)
            (folder / "complete").touch()
    return folder


def build(folder: Path) -> None:
    """Build the sdist from the checkout and the wheel from the sdist, as a release does."""
    # Compiled dependencies of the engine are shared with `make setup`.
    environment = os.environ | {"CARGO_TARGET_DIR": str(ROOT / "engine" / "target")}
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def empty_environment(folder: Path) -> Path:
    """Make a virtual environment with pip and nothing else; gives its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return folder / "bin" / "python"


def has_rust() -> bool:
    """Whether this machine can compile the engine."""
    return shutil.which("cargo") is not None


def run(*command: Path | str, **more: object) -> str:
    """Run a command to its end with nothing on PATH; gives its output. Fails the test where it fails."""
    given = {"env": {"PATH": "/nonexistent", "HOME": os.environ.get("HOME", "/")}} | more
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **given)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
