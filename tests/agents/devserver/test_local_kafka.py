"""Kafka as a local process: started, found again, crashed and stopped for real."""

import asyncio
import os
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
from aiokafka import AIOKafkaProducer

from journeys.agents.devserver.broker import Broker, BrokerUnavailable, kill, log_path, log_tail, start, status, stop
from journeys.agents.devserver.kafka_listeners import stored_listeners
from tests.fixtures.broker_fixture import ROOT, leashed
from tests.fixtures.kafka_records import consume, create_topic, produce, topics, values

FAR_FUTURE = 4_102_444_800_000  # 2100-01-01
LONG_AGO = 946_684_800_000  # 2000-01-01


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
def test_a_port_that_no_client_knows_may_change(running):
    """When another program took the controller's port meanwhile, the broker starts with another one."""
    stop(running.directory)
    before = stored_listeners(running.directory)
    with socket.create_server(("127.0.0.1", before.controller_port)):
        assert start(running.directory) == running
    after = stored_listeners(running.directory)
    assert after.port == before.port
    assert after.controller_port != before.controller_port


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
    stop(running.directory)
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
def test_an_early_death_shows_the_last_lines_of_the_log(running):
    """A Kafka that ends before it answers is reported at once, in its own words."""
    stop(running.directory)
    identity = running.directory / "data" / "meta.properties"
    sound = identity.read_text()
    identity.write_text(sound.replace("version=1", "version=77"))
    try:
        with pytest.raises(BrokerUnavailable, match=r"(?s)ended before it answered.*No readable meta\.properties"):
            start(running.directory)
    finally:
        identity.write_text(sound)
    assert processes_of(running.directory) == []


@pytest.mark.broker
def test_no_answer_in_time_ends_what_was_started(directory):
    """A start that gives up leaves no process behind."""
    with pytest.raises(BrokerUnavailable, match="did not answer within"):
        start(directory, timeout=0.0)
    assert processes_of(directory) == []


@pytest.mark.broker
def test_a_port_in_use_is_named_and_a_free_one_taken(running):
    """A port that another program listens on is refused and forgotten; a free one is kept from then on."""
    stop(running.directory)
    before = stored_listeners(running.directory)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BrokerUnavailable, match=f"port {port} is in use"):
            start(running.directory, port=port)
    assert processes_of(running.directory) == []
    assert stored_listeners(running.directory) == before
    assert start(running.directory, port=port).bootstrap_servers == f"127.0.0.1:{port}"
    assert stored_listeners(running.directory).port == port


@pytest.mark.broker
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_test_run_leaves_no_process(last_rung, tmp_path, sign):
    """Whatever ends pytest, the broker of its fixture goes, and its directory with it."""
    # A shell has what it starts in the background ignore SIGINT, and that is handed on.
    (tmp_path / "conftest.py").write_text(
        "import signal\nfrom tests.fixtures.broker_fixture import broker\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    )
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
        env={**os.environ, "PYTHONPATH": str(ROOT)},
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


def test_a_directory_of_somebody_else_is_left_alone(last_rung, monkeypatch, tmp_path):
    """A `data` that Kafka did not write is neither used nor removed."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_text("years of work")
    with pytest.raises(BrokerUnavailable, match="is not Kafka's"):
        start(tmp_path)
    assert (tmp_path / "data" / "thesis.txt").read_text() == "years of work"
