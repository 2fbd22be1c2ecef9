"""How the systems are started and watched, without starting them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep, time

import pytest
from typer.testing import CliRunner

from benchmarks.peers.__main__ import main
from benchmarks.peers.known_peers import HERE, PEERS
from benchmarks.peers.measured_kafka import MeasuredKafka
from benchmarks.peers.peer_results import versions
from benchmarks.process_usage import ProcessUsage
from journeys.agents.devserver.kafka_jars import kafka_version


def test_each_jvm_peer_has_its_main_class():
    """A command names a class whose source is in the folder of its module."""
    commands = [command for peer in PEERS.values() for command in peer.commands if command[0] == "java"]
    assert len(commands) == 4
    for command in commands:
        module = Path(command[command.index("-cp") + 1].split(":")[0]).parent.parent
        assert module.parent == HERE
        assert (module / "src/main/java" / f"{command[-2].replace('.', '/')}.java").is_file()


def test_our_systems_differ_by_engine_and_processes():
    """The same worker on the same input each time."""
    ours = {name: peer for name, peer in PEERS.items() if name.startswith("journeys")}
    assert {name: (len(peer.commands), dict(peer.environment)) for name, peer in ours.items()} == {
        "journeys": (1, {}),
        "journeys-2-workers": (2, {}),
        "journeys-reference": (1, {"JOURNEYS_ENGINE": "reference"}),
        "journeys-each-poll": (1, {"JOURNEYS_GATHER_SECONDS": "0"}),
    }
    assert len({command for peer in ours.values() for command in peer.commands}) == 1


def test_clients_of_the_peers_are_of_the_brokers_version():
    """Two poms, one version of Kafka."""
    assert versions()["kafka"] == kafka_version()


def test_members_of_a_group_wait_for_each_other(tmp_path):
    """The last value of a key counts, and the development broker has none of it."""
    kafka = MeasuredKafka(tmp_path)
    kafka._configure(None)
    lines = (tmp_path / "server.properties").read_text("utf-8").splitlines()
    values = [line.partition("=")[2] for line in lines if line.startswith("group.initial.rebalance.delay.ms=")]
    assert values == ["0", "3000"]


def test_an_unknown_peer_is_wrong_usage():
    """The names that there are stand in the message."""
    import typer  # noqa: PLC0415

    app = typer.Typer()
    app.command()(main)
    result = CliRunner().invoke(app, ["--peers", "flnk", "--touchpoints", "10000"])
    assert result.exit_code == 2
    assert "flnk not known" in result.output
    assert "naive-faust" in result.output


def _python(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _cpu_seconds(usage: ProcessUsage) -> float:
    """CPU time up to now; a sample behind it is waited for."""
    deadline = monotonic() + 30
    while monotonic() < deadline:
        at = time()
        sleep(0.05)
        try:
            return usage.cpu_seconds_at(at)
        except ValueError:  # no sample yet, on a machine that is busy
            continue
    raise AssertionError("no samples within 30 s")


def test_cpu_time_of_children_counts():
    """What a child did that has been waited for is in the figure of its parent."""
    work = "import time\nwhile time.process_time() < 0.5: pass"
    code = f"import subprocess, sys; input(); subprocess.run([sys.executable, '-c', {work!r}])"
    parent = _python(f"{code}; print('done', flush=True); input()")
    assert parent.stdin is not None
    assert parent.stdout is not None
    try:
        with ProcessUsage(parent.pid) as usage:
            before = _cpu_seconds(usage)
            parent.stdin.write(b"\n")
            parent.stdin.flush()
            assert parent.stdout.readline() == b"done\n"
            # It idles from here on: what is not in the next samples never will be.
            deadline = monotonic() + 10
            while (spent := _cpu_seconds(usage) - before) < 0.45 and monotonic() < deadline:
                sleep(0.05)
            assert spent >= 0.45
            usage.require_no_children()
    finally:
        parent.kill()
        parent.wait()


def test_a_process_with_living_children_gives_no_figures():
    """Nobody would count what they do."""
    code = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)"
    parent = _python(f"{code}; print(p.pid, flush=True); p.wait()")
    try:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        with ProcessUsage(parent.pid) as usage, pytest.raises(ValueError, match=f"has children.*{child}"):
            usage.require_no_children()
    finally:
        parent.send_signal(signal.SIGKILL)  # its pipe closes, and so the child ends
        parent.wait()
