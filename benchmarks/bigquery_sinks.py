"""Rows a second into BigQuery's emulator, by the sink and by Kafka Connect: `python -m benchmarks.bigquery_sinks`.

The same abandonments in the same Kafka, written before either starts, and for each run an emulator of its own. A
run's window goes from the first to the last offset that the group commits, so that nobody's start counts. The emulator
works within the window, too, on the same processors: rows by the CPU time of the system itself say what it would do
in front of BigQuery.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import time
from typing import Annotated, Any

import psutil
import typer
from aiokafka import AIOKafkaProducer
from rich.console import Console
from rich.table import Table

from benchmarks.bigquery_page import update_page
from benchmarks.machine import describe_machine
from benchmarks.made_abandonments import abandonments
from benchmarks.measure import RunFailedError, fresh_kafka, running
from benchmarks.process_usage import ProcessUsage
from benchmarks.results import RESULTS, described_run, write_results
from journeys.agents.bigquery.client import Warehouse, client
from journeys.agents.bigquery.connector import connector
from journeys.agents.bigquery.deployment import apply
from journeys.agents.devserver.broker import configured_servers
from journeys.agents.kafka.connection import KafkaRequestError, admin
from journeys.agents.kafka.schema_registry import own_catalog
from journeys.agents.kafka.topic_setup import create_topics
from journeys.agents.settings.settings import Settings
from journeys.agents.stack.connect_worker import ConnectWorker
from journeys.agents.stack.emulator import Emulator
from journeys.agents.stack.registry_process import RegistryProcess
from journeys.analytics.table import tables
from journeys.schemas.codec import Codec
from journeys.schemas.partitioner import partition_of
from journeys.schemas.topics import JOURNEY_ABANDONMENTS

FILE = RESULTS / "bigquery_sinks.json"
SINK, CONNECT = "journeys sink bigquery", "kafka connect"
# As one would run it: with its best compiler, which takes some seconds of the window to get warm.
_JAVA_FLAGS = ("-Xmx1g",)
_START_SECONDS = 120.0
_RUN_SECONDS = 300.0
_POLL_SECONDS = 0.1
_CHECK_FAILED = 1
_WRONG_USAGE = 2


@dataclass(frozen=True, slots=True)
class Run:
    """Figures of one verified run. CPU seconds are those of the system and those of the emulator."""

    system: str
    rows: int
    """Within the window."""
    seconds: float
    cpu_seconds: float
    emulator_cpu_seconds: float
    peak_rss_mb: float

    @property
    def rows_per_s(self) -> float:
        """Rows by wall time."""
        return self.rows / self.seconds

    @property
    def rows_per_cpu_s(self) -> float:
        """Rows by the system's own CPU time."""
        return self.rows / self.cpu_seconds


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run works."""

    settings: Settings
    registry: RegistryProcess
    house: Warehouse
    folder: Path
    group: str


def main(
    rows: Annotated[int, typer.Option(min=1_000, help="Abandonments, in all four partitions.")] = 40_000,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each, in turns.")] = 2,
) -> None:
    """Measure both on the same topic, fail unless every row is there, and write the figures down."""
    console = Console()
    if configured_servers() is not None:
        console.print("a run needs fresh topics: unset JOURNEYS_BOOTSTRAP_SERVERS, benchmarks start their own Kafka")
        raise typer.Exit(_WRONG_USAGE)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_CHECK_FAILED))  # so that nothing is left behind
    machine = describe_machine()
    measured: defaultdict[str, list[Run]] = defaultdict(list)
    with fresh_kafka() as (servers, folder):
        registry = RegistryProcess(folder / "registry")
        try:
            registry.start(print)
            registry.wait(_START_SECONDS)
            settings = Settings(_env_file=None, bootstrap_servers=servers, schema_registry_url=registry.confluent_url)
            asyncio.run(_publish(settings, rows))
            for turn in range(runs):
                for system, started in ((SINK, _sink), (CONNECT, _connect)):
                    console.print(f"run {turn + 1} of {runs}: {system}")
                    name = f"{'sink' if system == SINK else 'connect'}-{turn}"
                    measured[system].append(_measure(system, started, settings, registry, folder / name, rows))
        except RunFailedError as error:
            console.print(str(error), markup=False)
            raise typer.Exit(_CHECK_FAILED) from None
        finally:
            registry.kill()
    results = described_run() | {
        "machine": machine,
        "workload": {"rows": rows, "partitions": settings.partitions, "table": tables()[0].name},
        "systems": [_figures(of) for of in measured.values()],
    }
    write_results(results, FILE)
    update_page()
    _show(results["systems"], console)


async def _publish(settings: Settings, rows: int) -> None:
    await create_topics(settings)
    codec = Codec(await own_catalog(settings))
    async with AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers, linger_ms=20) as producer:
        sent = []
        for fields in abandonments(rows, seed=5):
            key = fields["journey_id"].encode()
            value = codec.encode_fields("JourneyAbandoned", fields)
            number = partition_of(key, settings.partitions)
            sent.append(await producer.send(JOURNEY_ABANDONMENTS, value, key, partition=number))
        await asyncio.gather(*sent)


@contextmanager
def _sink(place: Place) -> Iterator[int]:
    command = [sys.executable, "-m", "journeys.cli", "sink", "bigquery", "--group", place.group]
    environment = {
        "JOURNEYS_SCHEMA_REGISTRY_URL": str(place.settings.schema_registry_url),
        "JOURNEYS_BIGQUERY_PROJECT": place.house.project,
        "JOURNEYS_BIGQUERY_DATASET": place.house.dataset,
        "JOURNEYS_BIGQUERY_ENDPOINT": str(place.house.endpoint),
        "JOURNEYS_BIGQUERY_GRPC_ENDPOINT": str(place.house.grpc_endpoint),
    }
    log = place.folder / "sink.log"
    with running(command, str(place.settings.bootstrap_servers), place.folder, log, environment) as process:
        yield process.pid


@contextmanager
def _connect(place: Place) -> Iterator[int]:
    worker = ConnectWorker(place.folder / "connect", java_flags=_JAVA_FLAGS)
    url = place.registry.converter_url
    assert url is not None, "what answers has its ports"
    given = connector(place.house, url, name=place.group.removeprefix("connect-"))
    try:
        worker.start(str(place.settings.bootstrap_servers), given, str(place.house.endpoint), print)
        pid = worker.pid
        if pid is None:
            raise RunFailedError("\n".join(["Connect has ended", *worker.log_tail(20)]))
        yield pid
    finally:
        worker.kill()


def _measure(
    system: str,
    started: Callable[[Place], Any],
    settings: Settings,
    registry: RegistryProcess,
    folder: Path,
    rows: int,
) -> Run:
    emulator = Emulator(folder / "emulator")
    emulator.start(print)
    try:
        emulator.wait(_START_SECONDS)
        house = Warehouse("journeys", "journeys", emulator.url, emulator.grpc_endpoint)
        with client(house) as asked:
            apply(asked, house)
        emulator_pid = emulator.pid
        assert emulator_pid is not None, "it has just answered"
        place = Place(settings, registry, house, folder, f"connect-{folder.name}")
        with started(place) as pid, ProcessUsage(pid) as usage, ProcessUsage(emulator_pid) as emulators:
            (began, first), (ended, last) = asyncio.run(_window(settings, place.group, pid, rows))
            run = Run(
                system,
                last - first,
                ended - began,
                usage.cpu_seconds_at(ended) - usage.cpu_seconds_at(began),
                emulators.cpu_seconds_at(ended) - emulators.cpu_seconds_at(began),
                usage.peak_rss_mb(),
            )
        with client(house) as asked:
            _require_rows(asked, house, rows)
        return run
    finally:
        emulator.kill()


async def _window(settings: Settings, group: str, pid: int, rows: int) -> tuple[tuple[float, int], tuple[float, int]]:
    """Instant (epoch seconds) and committed offsets: when the group first commits, and when it has committed all."""
    deadline = time() + _RUN_SECONDS
    first: tuple[float, int] | None = None
    while True:
        done = await _committed(settings, group)
        now = time()
        if first is None and 0 < done < rows:
            first = (now, done)
        if done >= rows:
            if first is None:
                raise RunFailedError("all came in one commit: give it more rows")
            await asyncio.sleep(_POLL_SECONDS)  # for a sample behind the window
            return first, (now, done)
        if now > deadline or not psutil.pid_exists(pid):
            raise RunFailedError(f"{group} has ended, or has committed but {done} of {rows} rows")
        await asyncio.sleep(_POLL_SECONDS)


async def _committed(settings: Settings, group: str) -> int:
    try:
        async with admin(settings) as asked:
            found = await asked.list_consumer_group_offsets(group)
    except KafkaRequestError:  # of a fresh Kafka nobody has asked for a group yet
        return 0
    return sum(max(0, said.offset) for tp, said in found.items() if tp.topic == JOURNEY_ABANDONMENTS)


def _require_rows(asked: Any, house: Warehouse, rows: int) -> None:
    question = f"SELECT COUNT(*) AS n FROM `{house.path}.abandonments`"  # noqa: S608 - the program's own names
    ((count,),) = [tuple(row.values()) for row in asked.query(question).result(timeout=120)]
    if count != rows:
        raise RunFailedError(f"{count} different rows came of {rows}")


def _figures(runs: list[Run]) -> dict[str, Any]:
    names = ("rows_per_s", "rows_per_cpu_s", "peak_rss_mb")
    return {
        "system": runs[0].system,
        **{name: round(median(getattr(run, name) for run in runs), 1) for name in names},
        "verified": True,
        "runs": [
            {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(run).items()}
            for run in runs
        ],
    }


def _show(systems: list[dict[str, Any]], console: Console) -> None:
    table = Table("medians", "rows/s", "rows per CPU-second", "peak RSS, MiB", show_edge=False)
    for system in systems:
        figures = (system["rows_per_s"], system["rows_per_cpu_s"], system["peak_rss_mb"])
        table.add_row(system["system"], *(f"{figure:,.0f}" for figure in figures))
    console.print(table)
    console.print(f"figures in {FILE}")


if __name__ == "__main__":
    typer.run(main)
