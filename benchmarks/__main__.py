"""`python -m benchmarks`: the worker next to a naive Faust agent, run in turns, figures to results/own.json."""

from __future__ import annotations

import signal
import sys
from collections import defaultdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe_machine
from benchmarks.measure import Run, RunFailedError, measure
from benchmarks.results import OWN, REQUIRED_RATIO, own_results, write_results
from benchmarks.system import JOURNEYS, NAIVE_FAUST
from benchmarks.workload import make_workload
from journeys.agents.devserver.broker import configured_servers
from journeys.agents.devserver.broker_unavailable import BrokerUnavailable

_CHECK_FAILED = 1
_WRONG_USAGE = 2


def main(
    runs: Annotated[int, typer.Option(min=1, help="Runs of each system, in turns.")] = 3,
    journeys: Annotated[int, typer.Option(min=1_000, help="Journeys, of 10 touchpoints each on average.")] = 20_000,
) -> None:
    """Measure the worker and a naive Faust agent on the same work, and write the figures down.

    The naive agent gets each tenth journey. Each run has a Kafka of its own. Outputs are verified before a time counts.
    """
    console = Console()
    if configured_servers() is not None:
        console.print("a run needs fresh topics: unset JOURNEYS_BOOTSTRAP_SERVERS, benchmarks start their own Kafka")
        raise typer.Exit(_WRONG_USAGE)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_CHECK_FAILED))  # so that no Kafka is left behind
    machine = describe_machine()
    workload = make_workload(journeys)
    inputs = {JOURNEYS: workload.touchpoints, NAIVE_FAUST: workload.sample}
    measured: defaultdict[str, list[Run]] = defaultdict(list)
    try:
        for turn in range(runs):
            for system, touchpoints in inputs.items():
                console.print(f"run {turn + 1} of {runs}: {system.name}, {len(touchpoints):,} touchpoints")
                measured[system.name].append(measure(system, touchpoints))
    except (RunFailedError, BrokerUnavailable) as error:
        console.print(str(error), markup=False)
        raise typer.Exit(_CHECK_FAILED) from None
    described = workload.described() | {"touchpoints_by_system": {key.name: len(of) for key, of in inputs.items()}}
    results = own_results(measured[JOURNEYS.name], measured[NAIVE_FAUST.name], machine, described)
    write_results(results)
    _show(results, console)


def _show(results: dict[str, Any], console: Console) -> None:
    table = Table(title="verified runs, medians", title_justify="left", show_edge=False)
    table.add_column("", no_wrap=True)
    for column in ("events/s", "events per CPU-second", "peak RSS, MiB"):
        table.add_column(column, justify="right")
    for system in results["systems"]:
        figures = (system["events_per_s"], system["events_per_cpu_s"], system["peak_rss_mb"])
        table.add_row(system["system"], *(f"{figure:,.0f}" for figure in figures))
    ratios = results["ratios"]
    table.add_row("times", f"{ratios['events_per_s']:.1f}", f"{ratios['events_per_cpu_s']:.1f}", "")
    console.print(table)
    reached = "reached" if ratios["events_per_s"] >= REQUIRED_RATIO else "NOT reached"
    console.print(f"at least {REQUIRED_RATIO} times the naive agent's events/s: {reached}; figures in {OWN}")


if __name__ == "__main__":
    typer.run(main)
