"""What is deployed says the same as what is tested."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from journeys.agents.bigquery.client import Warehouse
from journeys.agents.bigquery.connector import connector
from tests.fixtures.left_out import left_out, needs_maven

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
DOCKERFILE, COMPOSE = DEPLOY / "docker" / "Dockerfile", DEPLOY / "docker" / "compose.yaml"
PROGRAMS = Path(sys.executable).parent
# What can't be the same here and in production: who is written to and how, how many, and the other converter.
OTHERWISE = {
    "project",
    "tasks.max",
    "keySource",
    "useStorageWriteApi",
    "bigQueryRetry",
    "bigQueryRetryWait",
    "key.converter",
    "consumer.override.max.poll.records",
    "consumer.override.session.timeout.ms",
    "consumer.override.heartbeat.interval.ms",
    "errors.deadletterqueue.topic.replication.factor",
    "errors.log.include.messages",
}


def settings_of(config):
    """Settings that must agree."""
    return {
        name: value
        for name, value in config.items()
        if name not in OTHERWISE and not name.startswith("value.converter")
    }


def test_production_and_tests_agree_on_topics_tables_and_dead_letters():
    """All settings but those that name the place or the other converter."""
    production = json.loads((DEPLOY / "connect" / "bigquery-sink.json").read_text())["config"]
    tested = connector(Warehouse("p", "journeys", None, None), "http://registry")["config"]
    assert settings_of(production) == settings_of(tested)


def test_the_page_about_topics_says_what_a_prefix_changes_in_connect():
    """All of it, as the local stack does it."""
    page = (DEPLOY.parent / "docs" / "topics.md").read_text()
    (told,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    plain, prefixed = (
        connector(Warehouse("p", "journeys", None, None), "http://registry", topic_prefix=prefix)["config"]
        for prefix in ("", "staging.")
    )
    assert dict(prefixed.items() - plain.items()) == json.loads(told)


def test_strimzi_is_told_the_same_as_connect():
    """One configuration, in two forms."""
    production = json.loads((DEPLOY / "connect" / "bigquery-sink.json").read_text())
    resource = yaml.safe_load((DEPLOY / "connect" / "kafka-connector.yaml").read_text())
    assert resource["metadata"]["name"] == production["name"]
    assert (
        resource["spec"]["config"]
        | {
            "connector.class": resource["spec"]["class"],
            "tasks.max": str(resource["spec"]["tasksMax"]),
        }
        == production["config"]
    )


def checked(program, *arguments):
    """Run a checker of this environment; it finds nothing."""
    done = subprocess.run([PROGRAMS / program, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_is_written_as_it_should_be():
    """By hadolint, whose one exception is explained in its place."""
    checked("hadolint", DOCKERFILE)


def test_compose_is_what_its_schema_says():
    """By the schema of the Compose specification: no key that Docker would refuse, or not know."""
    checked("check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)


def test_compose_names_files_that_are_there():
    """Its build context holds the Dockerfile, and each service is one that may start."""
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    assert services.keys() == {"stack", "worker", "redis"}
    for service in services.values():
        assert service.keys() & {"build", "image"}
        if "build" in service:
            context = (COMPOSE.parent / service["build"]["context"]).resolve()
            assert (context / service["build"]["dockerfile"]).is_file()
        assert set(service.get("depends_on", {})) <= services.keys()


def test_the_image_holds_what_the_program_needs():
    """Python and Java as the program asks for."""
    image = DOCKERFILE.read_text()
    installed = " ".join(re.findall(r"--no-install-recommends (.*) \\", image)).split()
    assert {"python3", "openjdk-17-jdk-headless", "maven"} <= set(installed)
    poms = (DEPLOY.parent / "agents" / "stack" / "connect").glob("*/pom.xml")
    releases = {int(found) for pom in poms for found in re.findall(r"<maven.compiler.release>(\d+)<", pom.read_text())}
    assert max(releases) <= 17


def started_by_worker_sh(folder, body):
    """Start worker.sh with a `journeys` that does what is given; each of its starts is a line in `starts`."""
    program = folder / "journeys"
    program.write_text(f"#!/bin/sh\necho started >> {folder}/starts\n{body}\n")
    program.chmod(0o755)
    environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.Popen([COMPOSE.parent / "worker.sh"], env=environment)


def test_exit_code_2_is_final_for_the_worker_of_compose(tmp_path):
    """It is started again after 70, and not after 2, and compose leaves it so."""
    body = f'[ "$(wc -l < {tmp_path}/starts)" -lt 3 ] && exit 70; exit 2'
    assert started_by_worker_sh(tmp_path, body).wait(30) == 2
    assert len((tmp_path / "starts").read_text().splitlines()) == 3
    worker = yaml.safe_load(COMPOSE.read_text())["services"]["worker"]
    assert worker["restart"] == "no"
    assert worker["entrypoint"][-1].endswith("exec worker.sh")
    assert "COPY deploy/docker/worker.sh " in DOCKERFILE.read_text()


def test_a_stopped_container_stops_its_worker_and_waits_for_it(tmp_path):
    """SIGTERM goes on to the worker, whose exit code is the container's."""
    body = f"trap 'sleep 0.3; echo flushed >> {tmp_path}/flushed; exit 0' TERM; while :; do sleep 0.05; done"
    container = started_by_worker_sh(tmp_path, body)
    while not (tmp_path / "starts").exists():
        time.sleep(0.02)
    time.sleep(0.2)  # the trap of the worker is set
    container.terminate()
    assert container.wait(30) == 0
    assert (tmp_path / "flushed").exists()


def test_a_file_of_settings_does_not_go_into_git():
    """It may hold passwords. tests/deploy/test_image.py keeps it out of the image."""
    assert subprocess.run(["git", "check-ignore", "-q", ".env"], cwd=DEPLOY.parent, check=False).returncode == 0


def test_systemd_does_not_start_a_worker_again_after_exit_code_2():
    """As the page on settings says."""
    unit = (DEPLOY / "systemd" / "journeys-worker.service").read_text().splitlines()
    assert {"Restart=always", "RestartPreventExitStatus=2"} <= set(unit)


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("JOURNEYS_TEST_LONG"), reason=left_out("long"))
@needs_maven
def test_the_commands_of_compose_run_without_a_container(tmp_path):
    """The stack's entry point until its health check is content, a worker beside it, and a stop that leaves nothing."""
    services = yaml.safe_load(COMPOSE.read_text().replace("$$", "$"))["services"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")}

    def started(name):
        given = services[name]["environment"] | {"JOURNEYS_DATA_DIR": str(tmp_path / "data")}
        given.pop("XDG_CACHE_HOME", None)  # what was fetched for other tests will do
        path = os.pathsep.join([str(PROGRAMS), str(COMPOSE.parent), inherited["PATH"]])
        with (tmp_path / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                services[name]["entrypoint"],
                cwd=tmp_path,
                env=inherited | given | {"PATH": path},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def is_healthy():
        check = services["stack"]["healthcheck"]["test"][1:]
        given = inherited | {"JOURNEYS_DATA_DIR": str(tmp_path / "data")}
        return (
            subprocess.run([PROGRAMS / check[0], *check[1:]], env=given, check=False, capture_output=True).returncode
            == 0
        )

    def wait(condition, name):
        deadline = time.monotonic() + 240
        while not condition():
            assert time.monotonic() < deadline, (tmp_path / f"{name}.log").read_text()
            time.sleep(0.5)

    stack, worker = started("stack"), None
    try:
        wait(is_healthy, "stack")
        worker = started("worker")
        wait(lambda: "restored" in (tmp_path / "worker.log").read_text(), "worker")
        worker.terminate()
        assert worker.wait(30) == 0
        stack.terminate()
        assert stack.wait(60) == 0
        assert "stopped" in (tmp_path / "stack.log").read_text()
        assert not is_healthy()
    finally:
        for process in (worker, stack):
            if process is not None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        subprocess.run(
            [PROGRAMS / "journeys", "stack", "down"],
            env=inherited | {"JOURNEYS_DATA_DIR": str(tmp_path / "data")},
            check=False,
        )
