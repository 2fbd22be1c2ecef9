"""`python -m benchmarks.scale_out`: the same work by 1, 2 and 4 workers, over 8 and 32 partitions.

Throughput from when they could begin to the last trace of work in the changelog, CPU time of all workers within it,
all of it verified; then one more worker joins: how long until it has restored its share, and how many rows moved.
Figures go to results/scale_out.json.
"""

from __future__ import annotations

import asyncio
import re
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from time import monotonic, sleep
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.machine import describe_machine
from benchmarks.measure import fresh_kafka, running, wait_until_processed
from benchmarks.process_usage import ProcessUsage
from benchmarks.results import RESULTS, described_run, write_results
from benchmarks.system import JOURNEYS
from benchmarks.workload import Workload, make_workload
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.verification import verify

SCALE_OUT = RESULTS / "scale_out.json"
_WORKER = [sys.executable, "-m", "journeys.cli", "worker"]
_RESTORED = re.compile(r"restored: partitions \[([^\]]*)\], (\d+) changelog records .*?, (\d+) journeys, ([\d.]+) s")
_JOIN_SECONDS = 60.0


def _run(workload: Workload, partitions: int, workers: int) -> dict[str, Any]:
    with fresh_kafka() as (servers, folder):
        settings = Settings(_env_file=None, bootstrap_servers=servers, partitions=partitions)
        asyncio.run(JOURNEYS.write(settings, workload.touchpoints))
        with ExitStack() as stack:
            processes, usages = [], []
            logs = [folder / f"worker-{number}.log" for number in range(workers)]
            for log in logs:
                process = stack.enter_context(running(_WORKER, servers, folder, log))
                processes.append(process)
                usages.append(stack.enter_context(ProcessUsage(process.pid)))
            asyncio.run(wait_until_processed(settings, processes[0]))
            rss_mb = [usage.peak_rss_mb() for usage in usages]
            report = asyncio.run(verify(settings))
            assert report.ok, report
            window = asyncio.run(JOURNEYS.window(settings, logs))
            cpu = sum(usage.cpu_seconds_at(window.ends_at) - usage.cpu_seconds_at(window.begins_at) for usage in usages)
            joined = _join(servers, folder, stack)
        seconds = window.ends_at - window.begins_at
        return {
            "partitions": partitions,
            "workers": workers,
            "events_per_s": round(window.touchpoints / seconds),
            "events_per_cpu_s": round(window.touchpoints / cpu),
            "peak_rss_mb_each": round(median(rss_mb)),
            **joined,
        }


def _join(servers: str, folder: Path, stack: ExitStack) -> dict[str, Any]:
    """Have one more worker join, and read in its log what it took."""
    log = folder / "joining.log"
    began = monotonic()
    process = stack.enter_context(running(_WORKER, servers, folder, log))
    while (found := _RESTORED.search(log.read_text("utf-8", errors="replace"))) is None:
        assert process.poll() is None, log.read_text("utf-8", errors="replace")[-2_000:]
        assert monotonic() - began < _JOIN_SECONDS, "the worker that joins gets no partition"
        sleep(0.05)
    numbers, records, journeys, seconds = found.groups()
    return {
        "join_seconds": round(monotonic() - began, 2),
        "partitions_moved": len(numbers.split(",")),
        "changelog_records_read": int(records),
        "journeys_moved": int(journeys),
        "restore_seconds": float(seconds),
    }


def main(
    runs: Annotated[int, typer.Option(min=1, help="Runs of each, in turns.")] = 3,
    journeys: Annotated[int, typer.Option(min=1_000, help="Of 10 touchpoints each on average.")] = 50_000,
) -> None:
    """Measure each number of workers on each number of partitions."""
    console = Console()
    workload = make_workload(journeys)
    cases = [(partitions, workers) for partitions in (8, 32) for workers in (1, 2, 4)]
    found: dict[tuple[int, int], list[dict[str, Any]]] = {key: [] for key in cases}
    for _ in range(runs):
        for key in cases:
            found[key].append(_run(workload, *key))
            console.print(found[key][-1])
    medians = [{name: median(run[name] for run in of) for name in of[0]} for of in found.values()]
    described = {"machine": describe_machine(), "workload": workload.described(), "runs": runs, "cases": medians}
    write_results(described_run() | described, SCALE_OUT)


if __name__ == "__main__":
    typer.run(main)
