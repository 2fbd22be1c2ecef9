"""The broker for development: started, found again, crashed and stopped for real."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from broker_fixture import ROOT, leashed

from agents.broker import Broker, BrokerUnavailable, kill, log_path, log_tail, start, status, stop
from agents.broker_unavailable import INSTALL
from agents.docker_kafka import docker_answers, environment
from agents.kafka_listeners import Listeners

FAR_FUTURE = 4_102_444_800_000  # 2100-01-01
LONG_AGO = 946_684_800_000  # 2000-01-01


@pytest.fixture(scope="module")
def last_rung() -> Iterator[None]:
    """Leave only the last rung of the ladder: no configured server, no Docker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("JOURNEYS_BOOTSTRAP_SERVERS", raising=False)
        patch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
        yield


@pytest.fixture(scope="module")
def local(last_rung, tmp_path_factory) -> Iterator[Broker]:
    """Give a local Kafka that the tests of this file stop, kill and start as they like."""
    directory = tmp_path_factory.mktemp("broker") / "kafka, with ümlaut"
    directory.mkdir()
    with leashed(directory):
        yield start(directory)


@pytest.fixture
def running(local) -> Broker:
    """Give the local Kafka of this file in a running state, whatever the test before did."""
    return start(local.directory)


@pytest.fixture
def directory(last_rung, tmp_path) -> Iterator[Path]:
    """Give a fresh data directory for a local Kafka."""
    fresh = tmp_path / "kafka"
    fresh.mkdir()
    with leashed(fresh):
        yield fresh


def processes_of(directory: Path) -> list[int]:
    """Find the Kafka processes of a directory by looking at all processes, not at its pid file."""
    ours = f"kafka.Kafka\0{directory.resolve()}/server.properties\0".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cmdline").read_bytes().endswith(ours):
                found.append(int(process.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


async def create_topic(servers: str, topic: str) -> None:
    """Create a topic of one partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


async def topics(servers: str) -> list[str]:
    """Name the topics that exist."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        return await admin.list_topics()
    finally:
        await admin.close()


async def produce(servers: str, topic: str, value: bytes, timestamp_ms: int | None = None) -> None:
    """Append one record and wait for its acknowledgement."""
    producer = AIOKafkaProducer(bootstrap_servers=servers, max_request_size=6_000_000)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, partition=0, timestamp_ms=timestamp_ms)
    finally:
        await producer.stop()


async def consume(servers: str, topic: str, count: int) -> list[tuple[int, bytes]]:
    """Read `count` records from the beginning: (timestamp in ms, value)."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        records = [await asyncio.wait_for(consumer.getone(), 60) for _ in range(count)]
        return [(record.timestamp, record.value) for record in records]
    finally:
        await consumer.stop()


def values(servers: str, topic: str, count: int) -> list[bytes]:
    """Read the values of `count` records from the beginning."""
    return [value for _, value in asyncio.run(consume(servers, topic, count))]


@pytest.mark.broker
def test_the_shared_fixture_takes_and_gives_a_record(broker):
    """A record that goes into the Kafka that all tests share comes out of it."""
    topic = f"fixture-check-{time.time_ns()}"  # a configured Kafka remembers earlier runs
    asyncio.run(create_topic(broker.bootstrap_servers, topic))
    asyncio.run(produce(broker.bootstrap_servers, topic, b"one"))
    assert values(broker.bootstrap_servers, topic, 1) == [b"one"]


@pytest.mark.broker
def test_data_and_address_survive_a_stop_and_a_start(running):
    """A stop leaves no process; the next start has the same address and the same records."""
    asyncio.run(create_topic(running.bootstrap_servers, "stop"))
    asyncio.run(produce(running.bootstrap_servers, "stop", b"kept"))
    assert stop(running.directory)
    assert processes_of(running.directory) == []
    assert not stop(running.directory), "a second stop has nothing to do"

    again = start(running.directory)
    assert again == running
    assert values(again.bootstrap_servers, "stop", 1) == [b"kept"]


@pytest.mark.broker
def test_acknowledged_records_survive_a_kill_and_a_restart(running):
    """After SIGKILL a restart on the same address has what was acknowledged."""
    asyncio.run(create_topic(running.bootstrap_servers, "crash"))
    asyncio.run(produce(running.bootstrap_servers, "crash", b"kept"))
    assert running.kill()
    assert processes_of(running.directory) == []
    assert not running.kill(), "nothing is left to kill"

    again = running.restart()
    assert again == running
    assert values(again.bootstrap_servers, "crash", 1) == [b"kept"]


@pytest.mark.broker
def test_restart_of_a_running_broker_replaces_the_process(running):
    """A restart without a kill before it stops the old process first."""
    before = processes_of(running.directory)
    running.restart()
    after = processes_of(running.directory)
    assert len(before) == len(after) == 1
    assert before != after


@pytest.mark.broker
def test_a_second_start_gives_the_running_broker(running):
    """Starting what runs starts nothing, also when its own port is asked for; another port is refused."""
    before = processes_of(running.directory)
    port = int(running.bootstrap_servers.rpartition(":")[2])
    assert start(running.directory) == start(running.directory, port=port) == running
    with pytest.raises(BrokerUnavailable, match=f"runs at {running.bootstrap_servers}: stop it first"):
        start(running.directory, port=port + 1)
    assert processes_of(running.directory) == before
    assert len(before) == 1


@pytest.mark.broker
def test_status_and_log_of_a_running_and_a_stopped_broker(running):
    """Status tells running from stopped and keeps the address; the log says that the server started."""
    shown = status(running.directory)
    assert shown is not None
    assert (shown.kind, shown.running, shown.answers) == ("local", True, True)
    assert [shown.pid] == processes_of(running.directory)
    assert any("Kafka Server started" in line for line in log_tail(running.directory))
    path = log_path(running.directory)
    assert path is not None
    assert len(log_tail(running.directory, lines=1)) == 1
    assert log_tail(running.directory, lines=1)[0] == path.read_text("utf-8").splitlines()[-1]

    stop(running.directory)
    shown = status(running.directory)
    assert shown is not None
    assert (shown.running, shown.answers, shown.pid) == (False, False, None)
    assert shown.bootstrap_servers == running.bootstrap_servers


@pytest.mark.broker
def test_a_stale_pid_file_is_never_a_reason_to_kill(running):
    """The pid file of a crashed broker names a stranger by now: it is not stopped, and start starts."""
    kill(running.directory)
    stranger = subprocess.Popen(["/bin/sleep", "600"])
    try:
        (running.directory / "kafka.pid").write_text(f"{stranger.pid}\n")
        assert not stop(running.directory)
        (running.directory / "kafka.pid").write_text(f"{stranger.pid}\n")
        assert not kill(running.directory)
        (running.directory / "kafka.pid").write_text(f"{stranger.pid}\n")
        assert start(running.directory) == running
        assert stranger.pid not in processes_of(running.directory)
        assert stranger.poll() is None, "the stranger lives"
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.broker
def test_settings_let_history_and_large_records_in_and_no_unknown_topic(running):
    """Times long ago and far ahead are kept, 5 MiB pass, and asking for a topic does not create it."""
    servers = running.bootstrap_servers
    asyncio.run(create_topic(servers, "settings"))
    large = os.urandom(5 * 1024 * 1024)  # chance does not compress
    asyncio.run(produce(servers, "settings", b"old", LONG_AGO))
    asyncio.run(produce(servers, "settings", b"ahead", FAR_FUTURE))
    asyncio.run(produce(servers, "settings", large, LONG_AGO))
    expected = [(LONG_AGO, b"old"), (FAR_FUTURE, b"ahead"), (LONG_AGO, large)]
    assert asyncio.run(consume(servers, "settings", 3)) == expected

    async def ask_for_unknown() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=servers)
        await producer.start()
        try:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(producer.partitions_for("unknown"), 2)
        finally:
            await producer.stop()

    asyncio.run(ask_for_unknown())
    assert "unknown" not in asyncio.run(topics(servers))


@pytest.mark.broker
def test_starts_that_race_on_a_fresh_directory_share_one_process(directory):
    """Four starts at once, two of them not waiting, give one broker."""
    with ThreadPoolExecutor(4) as pool:
        starts = [pool.submit(start, directory, wait=index % 2 == 0) for index in range(4)]
        brokers = {one.result() for one in starts}
    assert len(brokers) == 1
    assert len(processes_of(directory)) == 1
    assert stop(directory)
    assert processes_of(directory) == []


@pytest.mark.broker
def test_an_early_death_shows_the_last_lines_of_the_log(directory):
    """A Kafka that ends before it answers is reported at once, in its own words."""
    start(directory)
    stop(directory)
    identity = directory / "data" / "meta.properties"
    identity.write_text(identity.read_text().replace("version=1", "version=77"))
    with pytest.raises(BrokerUnavailable, match=r"(?s)ended before it answered.*77"):
        start(directory)
    assert processes_of(directory) == []


@pytest.mark.broker
def test_no_answer_in_time_ends_what_was_started(directory):
    """A start that gives up leaves no process behind."""
    with pytest.raises(BrokerUnavailable, match="did not answer within"):
        start(directory, timeout=0.0)
    assert processes_of(directory) == []


@pytest.mark.broker
def test_a_port_in_use_is_named(directory):
    """A port that another program listens on is refused before anything starts; a free one is taken."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BrokerUnavailable, match=f"port {port} .* in use"):
            start(directory, port=port)
    assert processes_of(directory) == []
    assert start(directory, port=port).bootstrap_servers == f"127.0.0.1:{port}"


@pytest.mark.broker
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_test_run_leaves_no_process(last_rung, tmp_path, sign):
    """Whatever ends pytest, the broker of its fixture goes, and its directory with it."""
    (tmp_path / "conftest.py").write_text("from broker_fixture import broker\n")
    (tmp_path / "test_forever.py").write_text(
        dedent("""
            import signal

            def test_forever(broker):
                print("\\ndirectory", broker.directory, flush=True)
                signal.pause()
        """)
    )
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", "-c", os.devnull, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    with run:
        assert run.stdout is not None
        named = next(line for line in run.stdout if line.startswith("directory "))
        directory = Path(named.split()[1])
        assert len(processes_of(directory)) == 1
        run.send_signal(sign)
        run.stdout.read()
    deadline = time.monotonic() + 60
    while (processes_of(directory) or directory.exists()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(directory) == []
    assert not directory.exists()


@pytest.mark.broker
@pytest.mark.skipif(not docker_answers(), reason="no Docker daemon answers")
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


def test_without_java_the_message_says_what_to_install(last_rung, monkeypatch, tmp_path):
    """With no rung left there is one message, and it names all that would help."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(BrokerUnavailable) as raised:
        start(tmp_path / "kafka")
    assert str(raised.value) == INSTALL
    for remedy in ("JDK", "17", "Maven", "Docker", "JOURNEYS_BOOTSTRAP_SERVERS"):
        assert remedy in INSTALL


def test_without_maven_and_without_jars_the_message_says_what_to_install(last_rung, monkeypatch, tmp_path):
    """Java alone does not do when Kafka was never fetched."""
    java = shutil.which("java")
    if java is None:
        pytest.skip("no Java")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "java").symlink_to(java)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(BrokerUnavailable) as raised:
        start(tmp_path / "kafka")
    assert str(raised.value) == INSTALL


def test_an_old_java_is_named(last_rung, monkeypatch, tmp_path):
    """A Java that is too old for Kafka is said to be so, with its path."""
    old = tmp_path / "bin" / "java"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.22\" 2024-01-16' >&2\n")
    old.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(BrokerUnavailable, match=f"{old} is older than Java 17"):
        start(tmp_path / "kafka")


def test_a_directory_of_somebody_else_is_left_alone(last_rung, monkeypatch, tmp_path):
    """A `data` that Kafka did not write is neither used nor removed."""
    if shutil.which("java") is None:
        pytest.skip("no Java")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_text("years of work")
    with pytest.raises(BrokerUnavailable, match="is not Kafka's"):
        start(tmp_path)
    assert (tmp_path / "data" / "thesis.txt").read_text() == "years of work"


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
def test_a_configured_server_is_given_and_never_ended(running, monkeypatch, tmp_path):
    """The configured Kafka is given as it is; what did not start here cannot be killed or stopped here."""
    monkeypatch.setenv("JOURNEYS_BOOTSTRAP_SERVERS", running.bootstrap_servers)
    configured = start(tmp_path / "kafka")
    assert configured == Broker(running.bootstrap_servers, "configured")
    assert not stop(tmp_path / "kafka")
    for end in (configured.kill, configured.restart):
        with pytest.raises(BrokerUnavailable, match="was not started here"):
            end()
    assert len(processes_of(running.directory)) == 1


def test_nothing_started_means_nothing_to_tell(last_rung, tmp_path):
    """Status, stop and log of a directory that never had a broker say so and create nothing."""
    nowhere = tmp_path / "kafka"
    assert status(nowhere) is None
    assert not stop(nowhere)
    assert log_tail(nowhere) == []
    assert log_path(nowhere) is None
    assert not nowhere.exists()
