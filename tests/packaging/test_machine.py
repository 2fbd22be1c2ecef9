"""`make demo` looks at the machine before it installs anything, and asks for no more than is needed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.bare_machine import java_of

ROOT = Path(__file__).resolve().parents[2]

WITHOUT_ENSUREPIP = """
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "ensurepip" else find_spec(name)
"""


def looked(path, **environment):
    """Run the look with a PATH; gives exit code and the one line that it prints."""
    done = subprocess.run(
        [sys.executable, ROOT / "requirements" / "machine.py"],
        env={"PATH": str(path), "HOME": "/nonexistent"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    (line,) = (done.stdout + done.stderr).splitlines()
    return done.returncode, line


def test_python_alone_is_enough(bare_path):
    """Then Java and Kafka's jars come from packages."""
    assert looked(bare_path) == (0, "demo,broker")


@pytest.mark.parametrize(
    ("java", "has_maven", "extras"),
    [(17, True, "demo"), (25, True, "demo"), (11, True, "demo,broker"), (21, False, "demo,broker")],
)
def test_what_the_machine_has_is_used(java, has_maven, extras, bare_path, tmp_path):
    """A Java that runs Kafka and a Maven: no package is needed. Either alone is not enough."""
    programs = java_of(tmp_path / "programs", java).parent
    if has_maven:
        (programs / "mvn").symlink_to("/bin/true")
    assert looked(f"{programs}:{bare_path}") == (0, extras)


def test_a_configured_kafka_needs_neither(bare_path):
    """It is somewhere else."""
    assert looked(bare_path, JOURNEYS_BOOTSTRAP_SERVERS="kafka:9092") == (0, "demo")


def test_nothing_is_installed_where_something_is_missing(tmp_path):
    """A Python that can't make environments, as Debian's without python3-venv: one line, exit 2, no .venv."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_ENSUREPIP)
    code, line = looked("/usr/bin:/bin", PYTHONPATH=str(tmp_path))
    assert code == 2
    assert line.endswith("lacks its module ensurepip: Debian and Ubuntu have it in the package python3-venv")
    for name in ("Makefile", "requirements", "pyproject.toml", "journeys", "agents", "engine"):
        (tmp_path / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [shutil.which("make"), "demo", f"PYTHON={sys.executable}"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "python3-venv" in done.stderr
    assert not (tmp_path / ".venv").exists()
