"""`python -m benchmarks.worker_growth`: a worker that has few journeys open, and one that has many.

Each run has a Kafka of its own: a changelog of open journeys, and touchpoints of journeys picked at random, lie there
when the worker starts. Timed is what is between its restore and its last partition row. Sizes by turns; figures,
medians, go to results/worker_growth.json. Of many journeys hardly one comes twice while rows are gathered, of few all
do: the rows that are stored for a thousand touchpoints are a figure, too. So is the longest time, from the start on,
for which one call kept all other threads of the worker from running.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from time import monotonic, sleep
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.longest_hold import longest_hold_ms
from benchmarks.machine import describe_machine
from benchmarks.measure import RunFailedError, fresh_kafka, running, wait_until_processed
from benchmarks.open_journeys import BEFORE_ALL_INPUT, open_row, write_open_journeys
from benchmarks.process_usage import ProcessUsage
from benchmarks.results import RESULTS, described_run, write_results
from benchmarks.system import JOURNEYS
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.kafka.record_producer import RecordProducer
from journeys.agents.kafka.topic_setup import create_topics
from journeys.agents.settings.settings import Settings
from journeys.clock import now_ms
from journeys.schemas.records import Touchpoint
from journeys.schemas.topics import changelog_name
from journeys.streams.compiled.engine_choice import load_engine

WORKER_GROWTH = RESULTS / "worker_growth.json"
_FEW, _MANY = 10_000, 5_000_000
_LIMIT_SECONDS = 60.0
_POLL_SECONDS = 0.2
_APPLIED = re.compile(r"records so far: applied (\d+)")


def main(
    runs: Annotated[int, typer.Option(min=1, help="Runs of each size, by turns.")] = 3,
    touchpoints: Annotated[int, typer.Option(min=10_000, help="In each run.")] = 1_000_000,
    sizes: Annotated[list[int], typer.Argument(help="Open journeys.")] = [_FEW, _MANY],  # noqa: B006 - typer copies it
) -> None:
    """Measure the worker at each size, and write the figures down."""
    console = Console()
    found: dict[int, list[dict[str, float]]] = {size: [] for size in sizes}
    for _ in range(runs):
        for size in sizes:
            run = _run(size, touchpoints)
            found[size].append(run)
            console.print(f"{size:,} open: " + ", ".join(f"{name} {value:,.0f}" for name, value in run.items()))
    figures = {
        str(size): {name: round(_figure(name)(run[name] for run in of)) for name in of[0]} for size, of in found.items()
    }
    least, most = figures[str(min(sizes))], figures[str(max(sizes))]
    left = {name: round(most[name] / least[name], 2) for name in ("events_per_s", "events_per_cpu_s")}
    described: dict[str, Any] = described_run() | {"machine": describe_machine(), "engine": load_engine("auto").name}
    results = described | {"touchpoints": touchpoints, "figures": figures, "left": left, "runs": found}
    write_results(results, WORKER_GROWTH)
    console.print(f"left of the speed with {min(sizes):,} open: {left}; figures in {WORKER_GROWTH}")


def _figure(name: str) -> Callable[[Iterable[float]], float]:
    """What is made of the runs: of holds the longest."""
    return max if name.startswith("longest") else median


def _run(size: int, touchpoints: int) -> dict[str, float]:
    """One worker. Raises RunFailedError."""
    with fresh_kafka() as (servers, folder):
        settings = Settings(_env_file=None, bootstrap_servers=servers, application_id=JOURNEYS.application_id)
        asyncio.run(create_topics(settings))
        asyncio.run(write_open_journeys(settings, range(size), offset=BEFORE_ALL_INPUT))
        asyncio.run(_write_touchpoints(settings, size, touchpoints))
        log = folder / "worker.log"
        written = asyncio.run(_changelog_records(settings))
        with running(JOURNEYS.command, servers, folder, log) as process, ProcessUsage(process.pid) as usage:
            asyncio.run(wait_until_processed(settings, process))
            _require_applied(log, touchpoints)
            window = asyncio.run(JOURNEYS.window(settings, [log]))
            cpu_seconds = usage.cpu_seconds_at(window.ends_at) - usage.cpu_seconds_at(window.begins_at)
            found = {
                "events_per_s": window.touchpoints / (window.ends_at - window.begins_at),
                "events_per_cpu_s": window.touchpoints / cpu_seconds,
                "peak_rss_mb": usage.peak_rss_mb(),
                "rows_per_1000": (asyncio.run(_changelog_records(settings)) - written) * 1_000 / touchpoints,
            }
        found["longest_hold_ms"], found["longest_hold_cpu_ms"] = longest_hold_ms(log)
        return found


async def _write_touchpoints(settings: Settings, size: int, touchpoints: int) -> None:
    chance = random.Random(size)
    now = now_ms()
    async with RecordProducer(settings) as producer:
        for number in range(touchpoints):
            journey_id = open_row(chance.randrange(size), now).journey_id
            await producer.send(
                Touchpoint(journey_id, None, f"touchpoint-{number}", now, state="INTENT", cost_micros=10_000)
            )


async def _changelog_records(settings: Settings) -> int:
    async with open_log(settings, changelog_name(settings.application_id), catalog=None) as log:
        return sum(log.end_offsets.values())


def _require_applied(log: Path, touchpoints: int) -> None:
    """Wait until the worker says that it has applied all of them. Raises RunFailedError."""
    deadline = monotonic() + _LIMIT_SECONDS
    applied: Sequence[str] = ()
    while monotonic() < deadline:
        applied = _APPLIED.findall(log.read_text("utf-8", errors="replace"))
        if applied and int(applied[-1]) == touchpoints:
            return
        sleep(_POLL_SECONDS)
    raise RunFailedError(f"applied {applied[-1:]} of {touchpoints} touchpoints")


if __name__ == "__main__":
    typer.run(main)
