"""The rooms have generic names: they must be those of this checkout, whole, and light to import."""

from __future__ import annotations

import fnmatch
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = ("schemas", "streams", "analytics", "agents", "training_orchestrator")


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_that_of_this_checkout(room):
    """Another installed package of the same name would be taken without a word."""
    assert Path(import_module(room).__file__) == ROOT / room / "__init__.py"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_packaged_whole(room):
    """Every folder with code is a package, and every file that is no code is named as package data."""
    setuptools = PYPROJECT["tool"]["setuptools"]
    assert any(fnmatch.fnmatch(room, pattern) for pattern in setuptools["packages"]["find"]["include"])
    for path in (ROOT / room).rglob("*"):
        if path.is_dir() or "__pycache__" in path.parts:
            continue
        if path.suffix == ".py":
            assert (path.parent / "__init__.py").is_file(), path
        else:
            inside = path.relative_to(ROOT / room).as_posix()
            patterns = setuptools["package-data"].get(room, [])
            assert any(fnmatch.fnmatch(inside, pattern) for pattern in patterns), path


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_tells_its_types_to_whoever_checks_them(room):
    """Without the mark, a type checker takes all that the front door gives for anything at all."""
    assert (ROOT / room / "py.typed").is_file()


def loaded_by(imports):
    """Names of the top-level modules that a fresh interpreter has loaded after the imports."""
    code = f"import {imports}, sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_replay_of_files_loads_no_kafka():
    """A plain install has neither Faust nor aiokafka, and nobody who replays a file should wait for them."""
    loaded = loaded_by("agents.line_files, streams.driver")
    assert {"schemas", "streams", "agents"} <= loaded
    assert loaded & {"faust", "mode", "aiokafka", "kafka", "httpx", "pyarrow", "asyncio"} == set()


def test_what_a_producer_imports_is_light():
    """The contracts and their codec need Avro and no more; pyruhvro comes with the extra that has it."""
    loaded = loaded_by("schemas.codec, schemas.lines, schemas.topics")
    assert {"schemas", "fastavro"} <= loaded
    assert loaded & {"streams", "agents", "faust", "mode", "aiokafka", "pydantic"} == set()
