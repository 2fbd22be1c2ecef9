"""What is packaged: two top-level names, each room whole and light to import."""

from __future__ import annotations

import fnmatch
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from setuptools import find_packages

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = ("schemas", "streams", "analytics", "agents", "cli")
TOP_LEVEL = ("journeys", "training_orchestrator")
PACKAGES = find_packages(str(ROOT), include=PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"])


def test_a_wheel_has_two_top_level_names():
    """Generic names at the top level, such as `agents`, would overwrite the files of other distributions."""
    assert {name.partition(".")[0] for name in PACKAGES} == set(TOP_LEVEL)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_that_of_this_checkout(room):
    """`journeys.agents` is the folder `agents`, by a link that setuptools, mypy and import-linter follow, too."""
    assert (ROOT / "journeys" / room).is_symlink()
    assert Path(import_module(f"journeys.{room}").__file__).resolve() == ROOT / room / "__init__.py"


@pytest.mark.parametrize("folder", [*ROOMS, "training_orchestrator"])
def test_a_room_is_packaged_whole(folder):
    """Every folder with code is a package that is found, and every file that is no code is named as package data."""
    name = folder if folder in TOP_LEVEL else f"journeys.{folder}"
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]
    for path in (ROOT / folder).rglob("*"):
        if path.is_dir() or "__pycache__" in path.parts:
            continue
        inside = path.relative_to(ROOT / folder)
        if path.suffix == ".py":
            assert ".".join([name, *inside.parent.parts]) in PACKAGES, path
        else:
            assert any(
                fnmatch.fnmatch(Path(*inside.parts[depth:]).as_posix(), pattern)
                for depth in range(len(inside.parts))
                for pattern in [*patterns["*"], *patterns.get(".".join([name, *inside.parts[:depth]]), [])]
            ), path


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_type_checkers_see_the_types(name):
    """Without the mark py.typed, a type checker takes everything for Any."""
    assert (ROOT / name / "py.typed").is_file()


def loaded_by(imports):
    """Names, of two parts at most, of the modules that a fresh interpreter has loaded after the imports."""
    code = f"import {imports}, sys; print(*sorted({{'.'.join(name.split('.')[:2]) for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_replay_of_files_loads_no_kafka():
    """A plain install has neither Faust nor aiokafka, and nobody who replays a file should wait for them."""
    loaded = loaded_by("journeys.agents.history.line_files, journeys.streams.partition.driver")
    assert "journeys" in loaded
    assert loaded & {"faust", "mode", "aiokafka", "kafka", "httpx", "pyarrow", "asyncio"} == set()


def test_what_a_producer_imports_is_light():
    """The contracts and their codec need Avro and no more; pyruhvro comes with the extra that has it."""
    loaded = loaded_by("journeys.schemas.codec, journeys.schemas.lines, journeys.schemas.topics")
    assert {"journeys", "fastavro"} <= loaded
    assert loaded & {"journeys.streams", "journeys.agents", "faust", "mode", "aiokafka", "pydantic"} == set()
