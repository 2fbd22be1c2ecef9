"""`journeys broker`: from nothing to a Kafka that answers, and back."""

import pytest

from journeys.agents.devserver.kafka_probe import answers

from .console_script import journeys

# No Docker daemon answers there, so that the last rung of the ladder is taken everywhere.
LAST_RUNG = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}


@pytest.mark.broker
@pytest.mark.slow
def test_a_broker_is_started_found_and_stopped(tmp_path):
    """Its address is what the other commands use in the same folder; each step may be asked for twice."""

    def broker(*arguments: str):
        return journeys("broker", *arguments, cwd=tmp_path, env=LAST_RUNG)

    try:
        started = broker("start")
        assert started.returncode == 0, started.stderr
        address, log = started.stdout.splitlines()
        servers = address.removeprefix("bootstrap servers: ")
        assert answers(servers)
        assert log == f"log: {tmp_path / '.journeys/kafka/kafka.log'}"
        assert broker("start").stdout == started.stdout
        status = broker("status")
        assert status.returncode == 0
        assert status.stdout.startswith(f"local Kafka at {servers}: answers, process ")
        assert len(broker("logs", "--lines", "1").stdout.splitlines()) == 1
        created = journeys("topics", "create", cwd=tmp_path, env=LAST_RUNG)
        assert (created.returncode, created.stdout.count("created")) == (0, 5)
    finally:
        stopped = broker("stop")
    assert (stopped.returncode, stopped.stdout) == (0, "stopped\n")
    assert broker("stop").stdout == "no broker runs\n"
    status = broker("status")
    assert (status.returncode, status.stdout) == (1, f"local Kafka at {servers}: does not run\n")
    assert not answers(servers)
