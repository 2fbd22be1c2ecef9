"""The wheel that would be published: what it holds, and that it works where nothing else is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tests.fixtures.left_out import left_out
from tests.packaging.built import ROOT, dist_of, empty_environment, has_rust, run
from tests.packaging.test_packaging import TOP_LEVEL
from tests.trainer.test_documents import PROMISED

pytestmark = pytest.mark.slow
CONSTRAINTS = ROOT / "requirements" / "constraints.txt"
needs_rust = pytest.mark.skipif(not has_rust(), reason=left_out("cargo"))


@pytest.fixture(scope="session")
def dist(tmp_path_factory, worker_id):
    """Folder of the sdist and the wheel."""
    return dist_of(tmp_path_factory, worker_id)


@pytest.fixture(scope="session")
def wheel(dist):
    """Path of the wheel."""
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def names(wheel):
    """Names of the files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def sources() -> set[str]:
    """Files of the rooms that git tracks, by the names that a wheel gives them."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    rooms = {link.name: f"journeys/{link.name}" for link in (ROOT / "journeys").iterdir() if link.is_symlink()}
    rooms |= {name: name for name in TOP_LEVEL}
    inside = ((path, path.split("/", 1)) for path in listed if "/" in path)
    return {
        f"{rooms[room]}/{rest}" for path, (room, rest) in inside if room in rooms and not (ROOT / path).is_symlink()
    }


def test_it_holds_all_sources_and_nothing_else(names):
    """Each file of the rooms, the engine, and the metadata; no tests, no caches, nothing of an earlier build."""
    packaged = {name for name in names if ".dist-info/" not in name and not name.endswith((".so", ".pyd"))}
    assert packaged == sources()


@needs_rust
def test_its_engine_is_for_every_python_from_3_11_on(wheel, names):
    """By the tag, the file's name, and the symbols that it uses."""
    assert re.search(r"-cp311-abi3-\w+\.whl$", wheel.name)
    assert "journeys/engine.abi3.so" in names
    subprocess.run([sys.executable, "-m", "abi3audit", "--strict", str(wheel)], check=True, capture_output=True)


def test_its_metadata_is_what_an_index_takes(dist, wheel, names):
    """By twine; name, licence, and the least Python."""
    files = [str(path) for path in dist.iterdir() if path.suffix in {".whl", ".gz"}]
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=True, capture_output=True)
    (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
    with zipfile.ZipFile(wheel) as archive:
        fields = Parser().parsestr(archive.read(metadata).decode())
    assert (fields["Name"], fields["Requires-Python"], fields["License-Expression"]) == (
        "gaelp-journeys",
        ">=3.11",
        "Apache-2.0",
    )
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_sdist_holds_the_engines_sources(dist):
    """Whoever has Rust can build the engine from it."""
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        held = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    listed = subprocess.run(["git", "ls-files", "engine"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {name for name in listed.split() if name.startswith("engine/src/")} | {"engine/Cargo.toml"} <= held


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """Python of an environment that has the wheel with what it depends on, installed without a compiler."""
    python = empty_environment(tmp_path_factory.mktemp("installed") / "venv")
    run(python, "-m", "pip", "install", "--quiet", "--constraint", CONSTRAINTS, wheel)
    return python


@needs_rust
def test_the_compiled_engine_is_in_use(installed, tmp_path):
    """Without a word: `auto` takes it."""
    code = "from journeys.streams.compiled.engine_choice import load_engine; print(load_engine('auto').name)"
    assert run(installed, "-c", code, cwd=tmp_path).strip() == "compiled"


def test_the_promised_api_runs_outside_the_checkout(installed, tmp_path):
    """Both blocks that users were promised, each as a program of its own, with no server."""
    for number, block in enumerate(PROMISED):
        manager = "timeout_manager" if "timeout_manager" in block else "orchestrator"
        program = tmp_path / f"promised_{number}.py"
        body = "".join(f"    {line}\n" for line in block.splitlines())
        program.write_text(
            "import asyncio\nfrom datetime import datetime\nfrom training_orchestrator import *\n"
            f"async def main():\n{body}    await {manager}.stop()\n    print(timed_out)\nasyncio.run(main())\n"
        )
        folder = tmp_path / str(number)
        folder.mkdir()
        assert run(installed, program, cwd=folder) == "[]\n"


def test_the_command_runs_outside_the_checkout(installed, tmp_path):
    """Generated touchpoints, replayed."""
    journeys = installed.with_name("journeys")
    run(journeys, "generate", "--journeys", "20", "--seed", "7", "--output", "touchpoints.jsonl", cwd=tmp_path)
    run(journeys, "replay", "touchpoints.jsonl", "--output", "abandonments.jsonl", cwd=tmp_path)
    assert (tmp_path / "abandonments.jsonl").read_text()


@pytest.mark.broker
def test_the_demo_runs_outside_the_checkout(wheel, tmp_path):
    """Installed as a user would, with the extra of the demo and the package that holds its clickstream."""
    python = empty_environment(tmp_path / "venv")
    install = (python, "-m", "pip", "install", "--quiet", "--constraint", CONSTRAINTS)
    extras = run(sys.executable, ROOT / "requirements/machine.py").strip()  # as `make demo` does
    run(*install, f"{wheel}[{extras}]")
    run(*install, "--no-deps", "retentioneering")
    printed = run(python.with_name("journeys"), "demo", "--seconds", "4", cwd=tmp_path, env=dict(os.environ))
    assert "A replay of the input topic gives exactly what the worker published." in printed
    assert {path.name for path in tmp_path.iterdir()} == {"venv"}


def intact(python: Path, *distributions: str) -> None:
    """Assert that each file of the distributions is there as it was installed, and that ours can be imported."""
    code = """
import base64, hashlib, sys
from importlib.metadata import files
for name in sys.argv[1:]:
    for file in files(name):
        if file.hash is not None:
            digest = hashlib.new(file.hash.mode, file.read_binary()).digest()
            assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value, (name, file)
if "gaelp-journeys" in sys.argv:
    import journeys.agents, journeys.schemas, journeys.streams, training_orchestrator
"""
    run(python, "-c", code, *distributions, cwd=python.parent)


@pytest.mark.parametrize("others", [("openai-agents", "analytics-python"), ("agents",)])
def test_it_lives_beside_packages_with_generic_names(wheel, tmp_path, others):
    """`agents` and `analytics` are theirs: installed before or after ours, uninstalled in either order."""
    python = empty_environment(tmp_path / "venv")

    def pip(*words: Path | str) -> None:
        run(python, "-m", "pip", *words, cwd=tmp_path)

    install = ("install", "--quiet", "--no-deps")
    uninstall = ("uninstall", "--quiet", "--yes")
    pip("install", "--quiet", "setuptools")  # one of them is an sdist
    pip(*install, *others)
    pip(*install, wheel)
    intact(python, *others, "gaelp-journeys")
    pip(*uninstall, "gaelp-journeys")
    intact(python, *others)
    pip(*install, wheel)
    pip(*uninstall, *others)
    intact(python, "gaelp-journeys")
    pip(*install, *others)
    intact(python, *others, "gaelp-journeys")


def test_openai_agents_can_be_imported_beside_it(wheel, tmp_path):
    """With all that it depends on, in one process with ours."""
    python = empty_environment(tmp_path / "venv")
    run(python, "-m", "pip", "install", "--quiet", "openai-agents")
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", wheel)
    run(python, "-c", "import agents, training_orchestrator; agents.Agent", cwd=tmp_path)
