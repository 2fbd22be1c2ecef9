"""The systems that are compared."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from benchmarks.measure import ROOT
from benchmarks.peers.assignment import DURABLE_EVERY_SECONDS
from benchmarks.peers.peer import Command, Peer
from benchmarks.peers.trace import Changelog, ProgressFile
from benchmarks.system import JOURNEYS, NAIVE_FAUST

HERE: Final = Path(__file__).parent
_BYTEWAX_PYTHON: Final = str(HERE / "bytewax" / ".venv" / "bin" / "python")
_RECOVERY_FOLDER: Final = "recovery"
_WORKER: Final = tuple(JOURNEYS.command)
_PACKAGE: Final = "gaelp.journeys.peers"
# The collector for throughput, which is what is compared; G1, Java's default, pays for short pauses.
_COLLECTOR: Final = "-XX:+UseParallelGC"
_QUIET: Final = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
# Flink's serializers look into the JDK's own collections.
_OPENS: Final = ("--add-opens", "java.base/java.util=ALL-UNNAMED", "--add-opens", "java.base/java.lang=ALL-UNNAMED")


def _java(module: str, name: str, argument: str, *flags: str) -> tuple[Command, ...]:
    target = HERE / module / "target"
    program = (f"{target}/classes:{target}/libs/*", f"{_PACKAGE}.{name}", argument)
    return (("java", *flags, _COLLECTOR, _QUIET, "-cp", *program),)


def _make_recovery_store(folder: Path) -> None:
    """Make the SQLite file that Bytewax recovers from."""
    recovery = folder / _RECOVERY_FOLDER
    recovery.mkdir()
    subprocess.run([_BYTEWAX_PYTHON, "-m", "bytewax.recovery", str(recovery), "1"], check=True, cwd=ROOT)


def _journeys(name: str, processes: int = 1, **environment: str) -> Peer:
    return Peer(
        name=name,
        application_id=JOURNEYS.application_id,
        commands=(_WORKER,) * processes,
        environment=environment,
        trace=Changelog(JOURNEYS),
        punctuated=True,
    )


def _kafka_streams(name: str, stores: str) -> Peer:
    command = _java("kafka-streams", "KafkaStreamsPeer", stores, "-Xmx1g")
    return Peer(name=name, application_id="kafka-streams-peer", commands=command, trace=ProgressFile())


def _flink(name: str, backend: str) -> Peer:
    command = _java("flink", "FlinkPeer", backend, "-Xmx2g", *_OPENS)
    return Peer(name=name, application_id="flink-peer", commands=command, trace=ProgressFile())


PEERS: Final = {
    peer.name: peer
    for peer in (
        _journeys("journeys"),
        _journeys("journeys-each-poll", JOURNEYS_GATHER_SECONDS="0"),
        _journeys("journeys-2-workers", processes=2),
        _journeys("journeys-reference", JOURNEYS_ENGINE="reference"),
        _flink("flink-heap", "hashmap"),
        _flink("flink-rocksdb", "rocksdb"),
        _kafka_streams("kafka-streams", "rocksdb"),
        _kafka_streams("kafka-streams-memory", "memory"),
        Peer(
            name="bytewax",
            application_id="bytewax-peer",
            commands=(
                (
                    *(_BYTEWAX_PYTHON, "-m", "bytewax.run", "benchmarks.peers.bytewax.flow:create_flow()"),
                    *("-r", _RECOVERY_FOLDER, "-s", f"{DURABLE_EVERY_SECONDS:g}", "-b", "0"),
                ),
            ),
            trace=ProgressFile(),
            prepare=_make_recovery_store,
        ),
        Peer(
            name="naive-faust",
            application_id=NAIVE_FAUST.application_id,
            commands=(tuple(NAIVE_FAUST.command),),
            trace=Changelog(NAIVE_FAUST),
            sampled=True,
        ),
    )
}
"""By name, in the order in which they run."""
