"""A user's project with packages of the same names as ours runs the trainer's page under pytest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("agents", "analytics", "schemas", "streams")
TEST = """
from pathlib import Path

import agents.own
import analytics.own
import schemas.own
import streams.own
from documents import run_python


def test_the_page_runs():
    names = run_python({page!r})
    assert set(names["rewards"]) == {{"journey-123", "journey-124"}}
    assert names["rewards"]["journey-123"] == 0.0  # it spent nothing
    assert names["analytics"].abandonments == 2
    assert names["dataset"].rows == 1


def test_the_projects_packages_are_its_own():
    for package in (agents, analytics, schemas, streams):
        assert Path(package.__file__).parent.parent == Path(__file__).parent
        assert package.own.OWNER == package.__name__
"""


def test_the_trainers_page_runs_in_a_project_with_folders_of_our_names(tmp_path):
    """The project's root is on sys.path, before ours; the page runs embedded."""
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
        (tmp_path / folder / "own.py").write_text(f'OWNER = "{folder}"\n')
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    shutil.copy(ROOT / "tests" / "trainer" / "documents.py", tmp_path)
    (tmp_path / "test_page.py").write_text(TEST.format(page=str(ROOT / "docs" / "trainer.md")))
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("JOURNEYS_", "PYTEST", "PYTHONPATH"))
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
