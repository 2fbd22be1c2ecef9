"""The ladder: which Kafka is given, and what is said when there is none."""

import asyncio
import socket
import time

import pytest

from journeys.agents.devserver.broker import Broker, BrokerUnavailable, log_path, log_tail, start, status, stop
from journeys.agents.devserver.broker_unavailable import INSTALL
from journeys.agents.devserver.docker_kafka import docker_answers, environment
from journeys.agents.devserver.kafka_listeners import Listeners
from journeys.agents.devserver.kafka_probe import answers
from tests.fixtures.bare_machine import java_of
from tests.fixtures.broker_fixture import leashed
from tests.fixtures.kafka_records import create_topic, produce, values
from tests.fixtures.left_out import left_out


@pytest.mark.broker
def test_the_shared_fixture_takes_and_gives_a_record(broker):
    """A record that goes into the Kafka that all tests share comes out of it."""
    topic = f"fixture-check-{time.time_ns()}"  # a configured Kafka remembers earlier runs
    asyncio.run(create_topic(broker.bootstrap_servers, topic))
    asyncio.run(produce(broker.bootstrap_servers, topic, b"one"))
    assert values(broker.bootstrap_servers, topic, 1) == [b"one"]


@pytest.mark.broker
@pytest.mark.skipif(not docker_answers(), reason=left_out("docker"))
def test_docker_keeps_address_and_data_over_stop_and_kill(monkeypatch, tmp_path):
    """The container does what the local process does: stop, start, kill, restart, nothing lost."""
    monkeypatch.delenv("JOURNEYS_BOOTSTRAP_SERVERS", raising=False)
    with leashed(tmp_path):
        docker = start(tmp_path, timeout=300)
        assert docker.kind == "docker"
        asyncio.run(create_topic(docker.bootstrap_servers, "kept"))
        asyncio.run(produce(docker.bootstrap_servers, "kept", b"one"))
        assert stop(tmp_path)
        assert start(tmp_path) == docker
        assert docker.kill()
        assert docker.restart() == docker
        assert values(docker.bootstrap_servers, "kept", 1) == [b"one"]


def test_docker_gets_the_settings_of_the_local_broker():
    """The image reads its settings from the environment: the names follow its rule, the ports are ours."""
    settings = environment(Listeners(port=20001, controller_port=20002))
    assert settings["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert settings["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://127.0.0.1:20001"
    assert settings["KAFKA_LISTENERS"] == "PLAINTEXT://0.0.0.0:20001,CONTROLLER://127.0.0.1:20002"
    assert settings["KAFKA_LOG_DIRS"] == "/var/lib/kafka/data"


def test_with_no_rung_left_the_message_says_what_to_install(last_rung, without_packages, monkeypatch, tmp_path):
    """There is one message, and it names all that would help."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrokerUnavailable) as raised:
        start(tmp_path / "kafka")
    assert str(raised.value) == INSTALL
    for remedy in (
        "pip install 'gaelp-journeys[broker]'",
        "JDK",
        "17",
        "Maven",
        "Docker",
        "JOURNEYS_BOOTSTRAP_SERVERS",
    ):
        assert remedy in INSTALL


def test_java_without_maven_and_without_jars_does_not_do(last_rung, without_packages, monkeypatch, tmp_path):
    """Kafka was never fetched, and nothing is here that could."""
    java_of(tmp_path / "bin", 17)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(BrokerUnavailable) as raised:
        start(tmp_path / "kafka")
    assert str(raised.value) == INSTALL


def test_an_old_java_is_named(last_rung, without_packages, monkeypatch, tmp_path):
    """A Java that is too old for Kafka is said to be so, with its path."""
    old = java_of(tmp_path / "bin", 11)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BrokerUnavailable) as raised:
        start(tmp_path / "kafka")
    assert str(raised.value) == f"{old} is older than Java 17; {INSTALL}"


def test_a_configured_server_that_does_not_answer_is_named(monkeypatch, tmp_path):
    """The top of the ladder is no reason to climb down: a wrong address is an error."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, not listening: refuses, and nobody else gets it
        server = f"127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setenv("JOURNEYS_BOOTSTRAP_SERVERS", server)
        with pytest.raises(BrokerUnavailable, match=f"no Kafka answers at {server}"):
            start(tmp_path / "kafka")
        shown = status(tmp_path / "kafka")
    assert shown is not None
    assert (shown.kind, shown.answers) == ("configured", False)
    assert not (tmp_path / "kafka").exists()


@pytest.mark.broker
def test_a_configured_server_is_given_and_never_ended(broker, monkeypatch, tmp_path):
    """The configured Kafka is given as it is; what did not start here cannot be killed or stopped here."""
    monkeypatch.setenv("JOURNEYS_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    configured = start(tmp_path / "kafka")
    assert configured == Broker(broker.bootstrap_servers, "configured")
    assert not stop(tmp_path / "kafka")
    for end in (configured.kill, configured.restart):
        with pytest.raises(BrokerUnavailable, match="was not started here"):
            end()
    assert answers(broker.bootstrap_servers)


def test_nothing_started_means_nothing_to_tell(last_rung, tmp_path):
    """Status, stop and log of a directory that never had a broker say so and create nothing."""
    nowhere = tmp_path / "kafka"
    assert status(nowhere) is None
    assert not stop(nowhere)
    assert log_tail(nowhere) == []
    assert log_path(nowhere) is None
    assert not nowhere.exists()
