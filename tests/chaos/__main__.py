"""The long forms by hand: `python -m tests.chaos [PART...]`; figures to benchmarks/results.

Exit code 1 if an output is missing, extra or different, or a worker does not do what it must.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Container, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import monotonic, sleep
from typing import Any, Final

from benchmarks.machine import describe_machine
from benchmarks.results import RESULTS, write_results
from journeys.agents.devserver.kafka_probe import answers
from journeys.agents.devserver.local_kafka import LocalKafka
from journeys.agents.settings.settings import Settings
from tests.chaos.clocks import OFFSETS, PLACES, WrongClock, is_right
from tests.chaos.cluster import LONG as CLUSTER
from tests.chaos.cluster import ClusterChaos
from tests.chaos.outage import KINDS, Outage
from tests.chaos.run import Chaos
from tests.chaos.schedule import LONG, SHORT, STORM
from tests.chaos.shutdown import measure_stops
from tests.fixtures.broker_fixture import leashed
from tests.fixtures.broker_network import broker_network, is_inside, way_into_namespace
from tests.fixtures.kafka_cluster import KafkaCluster, running_cluster
from tests.fixtures.left_out import left_out

_FORMS: Final = {"long": LONG, "storm": STORM, "short": SHORT}
_OUTAGE_SECONDS: Final = 60.0
_WAITING_MB: Final = 400.0
_STOPS: Final = 20
_BROKER_SECONDS: Final = 60.0
_BROKERS: Final = 3


def main() -> int:
    """Run what is asked for; without a word, all of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="chaos|outage|shutdown|clocks|cluster")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same schedule of blows")
    parser.add_argument("--form", choices=_FORMS, default="long", help="of chaos")
    parser.add_argument("--store", choices=["memory://", "rocksdb://"], default="memory://")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the figures")
    parser.add_argument("--note", help="what else there is to say of the machine during the run")
    parser.add_argument("--logs", type=Path, help="folder to keep the logs of the workers in")
    chosen = parser.parse_args()
    parts = {"chaos": _chaos, "outage": _outages, "shutdown": _stops, "clocks": _clocks, "cluster": _cluster}
    unknown = set(chosen.parts) - parts.keys()
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: expected some of {', '.join(parts)}")
    right = True
    for name in chosen.parts or parts:
        if name == "cluster" and not is_inside() and (way := way_into_namespace()) is not None:
            # Only there can brokers be cut off from each other.
            again = [*way, sys.executable, "-m", "tests.chaos", "cluster", *_options(sys.argv[1:], parts)]
            right = subprocess.run(again, check=False).returncode == 0 and right
            continue
        measured_at = datetime.now(UTC).isoformat(timespec="seconds")
        found = {"measured_at": measured_at, "machine": describe_machine(), "note": chosen.note} | parts[name](chosen)
        right = found.pop("right") and right
        write_results(found, chosen.results / f"{name}.json")
    return 0 if right else 1


def _chaos(chosen: argparse.Namespace) -> dict[str, Any]:
    with _folder("chaos", chosen.logs) as folder:
        figures = asyncio.run(Chaos(folder, _FORMS[chosen.form], chosen.seed, _say, store=chosen.store).run())
    for name, value in asdict(figures).items():
        _say(f"{name}: {value}")
    right = (figures.missing, figures.extra, figures.different) == (0, 0, 0)
    return {"right": right, "store": chosen.store, **asdict(figures)}


def _cluster(chosen: argparse.Namespace) -> dict[str, Any]:
    with ExitStack() as stack:
        network = stack.enter_context(broker_network(_BROKERS)) if is_inside() else None
        if network is None:
            _say(f"left out: brokers cut off from each other ({left_out('namespaces')})")
        folder = Path(tempfile.mkdtemp(prefix="journeys-cluster-"))
        stack.callback(_keep, folder, chosen.logs and chosen.logs / "cluster")
        cluster = stack.enter_context(running_cluster(folder, _BROKERS, network))
        if chosen.logs is not None:
            stack.callback(_keep_logs, cluster, chosen.logs)
        figures = asyncio.run(ClusterChaos(folder, cluster, CLUSTER, chosen.seed, _say).run())
    for name, value in asdict(figures).items():
        _say(f"{name}: {value}")
    return {"right": figures.right, "brokers": _BROKERS, **asdict(figures)}


def _keep_logs(cluster: KafkaCluster, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for number, node in cluster.nodes.items():
        (place / f"kafka-{number}.log").write_text("\n".join(node.log_tail(100_000)), "utf-8")


def _options(words: list[str], parts: Container[str]) -> list[str]:
    """Words of a command line without the names of parts."""
    return [word for word in words if word not in parts]


def _outages(chosen: argparse.Namespace) -> dict[str, Any]:
    found = []
    for kind in KINDS:
        with ExitStack() as stack:
            kafka: LocalKafka | KafkaCluster
            if kind == "outputs refused":
                folder = Path(tempfile.mkdtemp(prefix="journeys-outage-"))
                stack.callback(_keep, folder, chosen.logs and chosen.logs / "outage")
                kafka = stack.enter_context(running_cluster(folder))
            else:
                folder = stack.enter_context(_folder("outage", chosen.logs))
                kafka = stack.enter_context(_kafka(folder))
            settings = _settings(folder, kafka)
            figures = asyncio.run(Outage(folder, kafka, settings).run(kind, _OUTAGE_SECONDS, _WAITING_MB))
        _say(str(figures))
        found.append(asdict(figures))
    right = not any(one["missing"] or one["extra"] or one["different"] for one in found)
    return {"right": right, "outages": found}


def _stops(chosen: argparse.Namespace) -> dict[str, Any]:
    with _folder("shutdown", chosen.logs) as folder, _kafka(folder) as kafka:
        stops = asyncio.run(measure_stops(folder, _settings(folder, kafka), _STOPS))
    seconds = [stop.seconds for stop in stops]
    figures = {"stops": len(stops), "median_seconds": round(median(seconds), 2), "max_seconds": max(seconds)}
    _say(str(figures))
    right = all(stop.exit_code == 0 and not any(stop.uncommitted.values()) and not stop.members_left for stop in stops)
    return {"right": right, **figures, "all": [stop._asdict() for stop in stops]}


def _clocks(chosen: argparse.Namespace) -> dict[str, Any]:
    found = []
    for place in PLACES:
        for offset in OFFSETS:
            with _folder(f"clock-{place}-{offset}", chosen.logs) as folder:
                found.append(asyncio.run(WrongClock(folder, offset, place, _say).run()))
            _say(str(found[-1]))
    return {"right": all(map(is_right, found)), "clocks": [asdict(one) for one in found]}


@contextmanager
def _folder(name: str, logs: Path | None) -> Iterator[Path]:
    """Folder of one run, with its Kafka; both are gone afterwards, logs aside."""
    folder = Path(tempfile.mkdtemp(prefix=f"journeys-{name}-"))
    try:
        with leashed(folder / "kafka"):
            yield folder
    finally:
        _keep(folder, logs and logs / name)


def _keep(folder: Path, place: Path | None) -> None:
    """Move what a run has left to a place, or remove it."""
    if place is not None:
        shutil.copytree(folder, place, dirs_exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _kafka(folder: Path) -> Iterator[LocalKafka]:
    kafka = LocalKafka(folder / "kafka")
    kafka.launch(None, _say)
    servers = kafka.bootstrap_servers
    assert servers is not None
    deadline = monotonic() + _BROKER_SECONDS
    while not answers(servers):
        assert monotonic() < deadline, "\n".join(kafka.log_tail(20))
        sleep(0.1)
    yield kafka


def _settings(folder: Path, kafka: LocalKafka | KafkaCluster) -> Settings:
    if isinstance(kafka, KafkaCluster):
        return kafka.settings(data_dir=folder / "data")
    return Settings(_env_file=None, bootstrap_servers=kafka.bootstrap_servers, data_dir=folder / "data")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
