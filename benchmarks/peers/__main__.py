"""`python -m benchmarks.peers`: the worker next to other systems, in turns; `make bench-peers` builds them first."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.console import Console

from benchmarks.measure import Run, RunFailedError
from benchmarks.peers.known_peers import PEERS
from benchmarks.peers.measurement import measure
from benchmarks.peers.peer import Peer
from benchmarks.peers.peer_results import LEAST, is_whole, place_of, read_results, write_results
from benchmarks.peers.performance_page import PAGE, table, update_page
from benchmarks.peers.reference import Reference
from benchmarks.peers.touchpoint_log import TouchpointLog
from benchmarks.workload import make_workload
from journeys.agents.devserver.broker_unavailable import BrokerUnavailable

_CHECK_FAILED = 1
_WRONG_USAGE = 2
_TOUCHPOINTS_PER_JOURNEY = 10
_Input: TypeAlias = tuple[TouchpointLog, Reference]


def main(
    runs: Annotated[int, typer.Option(min=1, help="Runs of each system, in turns.")] = 3,
    touchpoints: Annotated[int, typer.Option(min=10_000, help="In all; 10 of a journey on average.")] = 1_000_000,
    peers: Annotated[str, typer.Option(help="Names of systems, with blanks between; all without it.")] = "",
    sample: Annotated[
        bool, typer.Option(help="Give a system that is a hundred times slower each tenth journey.")
    ] = True,
) -> None:
    """Measure systems on the same touchpoints, and write the figures down.

    Each run has a Kafka of its own. Outputs are verified against the pure core before a time counts.
    """
    console = Console()
    unknown = [name for name in peers.split() if name not in PEERS]
    if unknown:
        console.print(f"peers: {', '.join(unknown)} not known; expected some of {', '.join(PEERS)}", markup=False)
        raise typer.Exit(_WRONG_USAGE)
    chosen = [
        replace(peer, sampled=peer.sampled and sample)
        for name, peer in PEERS.items()
        if not peers or name in peers.split()
    ]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_CHECK_FAILED))  # so that no Kafka is left behind
    console.print(f"making {touchpoints:,} touchpoints and what must come of them")
    workload = make_workload(touchpoints // _TOUCHPOINTS_PER_JOURNEY)
    inputs = {
        sampled: (TouchpointLog(part), Reference.of(part))
        for sampled, part in ((False, workload.touchpoints), (True, workload.sample))
    }
    described = workload.described() | {
        "bytes_per_touchpoint": round(inputs[False][0].touchpoint_bytes / len(workload.touchpoints), 1),
        "punctuations": inputs[False][0].punctuations,
        "abandonments": inputs[False][1].required,
    }
    measured: dict[str, list[Run]] = {}
    try:
        for name, run in _runs(chosen, runs, inputs):
            measured.setdefault(name, []).append(run)
            console.print(_line(run), markup=False, soft_wrap=True)
    except (RunFailedError, BrokerUnavailable) as error:
        console.print(str(error), markup=False, soft_wrap=True)
        if measured:  # an hour of runs is not thrown away for the last one
            console.print(f"what was measured is in {_write(measured, described, whole=False)}", soft_wrap=True)
        raise typer.Exit(_CHECK_FAILED) from None
    whole = sample and is_whole(measured, len(workload.touchpoints))
    folder = _write(measured, described, whole=whole)
    results = read_results(folder)
    console.print(table(results), markup=False, soft_wrap=True)
    if whole:
        update_page(results)
        console.print(f"figures in {folder}, table in {PAGE}", soft_wrap=True)
    else:
        console.print(f"figures in {folder}; a trial: published are those of all systems, {LEAST}", soft_wrap=True)


def _runs(chosen: Sequence[Peer], runs: int, inputs: Mapping[bool, _Input]) -> Iterator[tuple[str, Run]]:
    """One run of each system, then the next of each."""
    for _ in range(runs):
        for peer in chosen:
            yield peer.name, measure(peer, *inputs[peer.sampled])


def _line(run: Run) -> str:
    return (
        f"{run.system}: {run.events_per_s:,.0f} events/s, {run.events_per_cpu_s:,.0f} per CPU-second, "
        f"{run.peak_rss_mb:,.0f} MiB, verified"
    )


def _write(measured: Mapping[str, Sequence[Run]], described: Mapping[str, Any], *, whole: bool) -> Path:
    folder = place_of(whole=whole)
    write_results(folder, measured, described)
    return folder


if __name__ == "__main__":
    typer.run(main)
