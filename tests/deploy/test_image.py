"""The image: what is sent to its builder, what its steps leave, what its container may do."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from docker.utils.build import exclude_paths

from journeys.agents.settings.settings import SECRETS
from tests.fixtures.left_out import left_out
from tests.packaging.built import ROOT, has_rust, run

DOCKER = ROOT / "deploy" / "docker"
IMAGE = (DOCKER / "Dockerfile").read_text()
PLANTED = b"planted" + b"-1f0c77"  # in two parts, so that this file does not hold it
# Each kind of place in which a password may lie beside sources.
SECRET_FILES = (
    *(".env", ".env.production", "agents/.env", "deploy/docker/.env", "deploy/docker/worker.env", "schemas/prod.env"),
    *("secrets/kafka-password", ".journeys/password", ".netrc", "pip.conf", "requirements/pip.conf", "worker.key"),
    *("agents/settings/worker.key", "engine/ca.pem", "cli/.netrc", "notes.txt", ".git/config", "tests/token.txt"),
)


def context_of(folder: Path) -> set[str]:
    """Files that a builder gets, as Docker's own client reads the file of what is left out."""
    lines = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    kept = exclude_paths(str(folder), patterns)
    return {name for name in kept if (folder / name).is_symlink() or (folder / name).is_file()}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A checkout with planted secrets, and beside it the build context that is made of it."""
    folder = tmp_path_factory.mktemp("image")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).exists():
            (folder / "all" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / "all" / name, follow_symlinks=False)
    for name in SECRET_FILES:
        (folder / "all" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "all" / name).write_bytes(PLANTED)
    for name in context_of(folder / "all"):
        (folder / "context" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / "all" / name, folder / "context" / name, follow_symlinks=False)
    return folder


def planted_in(folder: Path) -> list[Path]:
    """Files that hold the planted text."""
    return [path for path in folder.rglob("*") if path.is_file() and PLANTED in path.read_bytes()]


def test_no_planted_secret_is_sent_to_the_builder(source):
    """All that a layer can hold comes from the context; the scan finds the text where it was planted."""
    assert len(planted_in(source / "all")) == len(SECRET_FILES)
    assert planted_in(source / "context") == []


def test_the_builder_gets_all_that_is_packaged_and_copied(source):
    """Each source of the packages, and each file that a COPY names."""
    rooms = [line[1:] for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"]
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *rooms],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert set(listed) == context_of(source / "all")
    packages = set(re.findall(r'"(\w+)\*"', (ROOT / "pyproject.toml").read_text().partition("packages.find]")[2]))
    assert packages == {"journeys", "training_orchestrator"}
    linked = {link.name for link in (ROOT / "journeys").iterdir() if link.is_symlink()}
    assert packages | linked | {"engine", "requirements"} <= set(rooms)
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", IMAGE, re.MULTILINE)
    assert copied
    assert all((source / "context" / name).exists() for line in copied for name in line.split())


def test_no_secret_is_an_argument_or_in_the_environment_of_the_image():
    """Both stand in the image's history for everybody to read."""
    given = re.findall(r"^(?:ARG|ENV|   ) *(\w+)=", IMAGE, re.MULTILINE)
    assert {"VERSION", "REVISION", "JOURNEYS_DATA_DIR"} <= set(given)
    assert not {name.removeprefix("JOURNEYS_").lower().removesuffix("_file") for name in given} & SECRETS


def test_bases_are_pinned_and_the_worker_is_nobody_of_weight():
    """No base moves by itself; the last user of each image is not root; labels name what it is."""
    bases = dict(re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", IMAGE, re.MULTILINE))
    assert all(re.search(r":.*\d{8}|:\d+\.\d+\.\d+", image) for image in bases.values())
    stages = re.findall(r"^FROM (\S+) AS (\w+)$", IMAGE, re.MULTILINE)
    own = {name for _, name in stages} | {f"${{{name}}}" for name in bases}
    assert {base for base, _ in stages} <= own
    for part in IMAGE.split("\nFROM ")[1:]:
        if part.partition("\n")[0].endswith((" worker", " stack")):
            assert re.findall(r"^USER (\d+)", part, re.MULTILINE)[-1] == "1000"
    assert set(re.findall(r"org.opencontainers.image.(\w+)=", IMAGE)) == {
        *("title", "description", "licenses", "version", "revision")
    }
    assert re.search(r"^ARG VERSION=(\S+)$", IMAGE, re.MULTILINE)[1] in (ROOT / "pyproject.toml").read_text()


def pins(text: str) -> dict[str, str]:
    """Versions by name."""
    return {name.lower().replace("_", "-"): pin for name, pin in re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)}


def test_the_image_has_the_packages_that_are_tested_each_with_its_hashes():
    """Of the same versions as `make setup` installs; and pip refuses what has another hash."""
    tested = pins((ROOT / "requirements" / "constraints.txt").read_text())
    image = (ROOT / "requirements" / "image.txt").read_text()
    assert pins(image).items() <= tested.items()
    assert {"aiokafka", "rocksdict", "redis", "google-cloud-bigquery", "polars"} <= pins(image).keys()
    for text in (image, (ROOT / "requirements" / "sbom.txt").read_text()):
        entries = re.split(r"\n(?=\w)", text.strip())
        assert len(entries) == len(pins(text))
        assert all("--hash=sha256:" in entry for entry in entries)


@pytest.mark.parametrize("name", ["compose.yaml", "compose.workers.yaml"])
def test_a_worker_of_compose_ends_for_good_with_2_and_can_write_its_data_alone(name):
    """worker.sh decides on restarts (it is tried in tests/bigquery/test_deployment_files.py); the root is read-only."""
    subprocess.run(
        [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", DOCKER / name],
        check=True,
    )
    worker = yaml.safe_load((DOCKER / name).read_text())["services"]["worker"]
    assert worker["restart"] == "no"
    assert worker["entrypoint"][-1].endswith("worker.sh")
    assert (worker["read_only"], worker["tmpfs"], worker["cap_drop"]) == (True, ["/tmp"], ["ALL"])  # noqa: S108 - a container's
    assert worker["volumes"] == ["data:/data"]


class Answers(BaseHTTPRequestHandler):
    """Gives the status of the server's own `status` for /live."""

    def do_GET(self):
        """Answer."""
        self.send_response(self.server.status if self.path == "/live" else 404)
        self.end_headers()

    def log_message(self, *_):
        """Says nothing."""


def test_the_health_check_asks_the_worker_whether_it_lives():
    """0 for 200; 1 for 503, and where nobody listens."""
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = os.environ | {"JOURNEYS_METRICS_PORT": str(server.server_port)}

        def check() -> int:
            return subprocess.run([sys.executable, DOCKER / "health.py"], env=environment, check=False).returncode

        server.status = 200
        assert check() == 0
        server.status = 503
        assert check() == 1
        server.shutdown()
    assert check() == 1


@pytest.mark.slow
@pytest.mark.skipif(not has_rust(), reason=left_out("cargo"))
def test_the_steps_of_the_image_leave_the_engine_a_bill_of_materials_and_no_planted_secret(source, tmp_path):
    """The pip steps of the Dockerfile, run here in the order that they stand there, in folders of their own."""
    steps = [step for step in re.findall(r"^RUN ((?:.*\\\n)*.*)", IMAGE, re.MULTILINE) if "apt-get" not in step]
    assert len(steps) == 3
    (tmp_path / "opt").mkdir()
    compiling = os.environ | {"CARGO_TARGET_DIR": str(ROOT / "engine" / "target")}
    folders = {"/build": "build", "/wheels": "wheels", "/sbom/": "sbom/", "/sbom ": "sbom ", "/opt/": "opt/"}
    for step, folder in zip(steps, (source / "context", tmp_path, tmp_path), strict=True):
        here = step.replace("/requirements/", f"{ROOT}/requirements/").replace("python3 -m", f"{sys.executable} -m")
        for name, own in folders.items():
            here = here.replace(f"{name}", f"{tmp_path}/{own}")
        run("/bin/sh", "-ec", here.replace("\\\n", " "), cwd=folder, env=compiling)
    python = tmp_path / "opt" / "journeys" / "bin" / "python"
    code = "from journeys.streams.compiled.engine_choice import load_engine; print(load_engine('compiled').name)"
    assert "compiled" in run(python, "-c", code, cwd=tmp_path)
    bill = json.loads((tmp_path / "opt" / "journeys" / "sbom.cdx.json").read_text())
    listed = {part["name"].lower().replace("_", "-"): part["version"] for part in bill["components"]}
    assert pins((ROOT / "requirements" / "image.txt").read_text()).items() <= listed.items()
    assert "gaelp-journeys" in listed
    assert planted_in(tmp_path / "opt") == []
    assert planted_in(tmp_path / "wheels") == []
