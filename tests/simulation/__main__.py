"""The crash simulation by hand: `python -m tests.simulation [SEEDS]`, or one seed with `--seed SEED`.

The compiled engine applies the records where it is built, else the reference; `--engine` names one of them, or `auto`.
`--fault NAME` breaks one thing on purpose, which must then be found; `--fault all` says of each how soon it is.
`--results FOLDER` keeps the figures of many seeds, and of all faults.
Run from the repository's root. Exit code 1 when a seed fails (with `all`: when a fault is not found).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, get_args

from benchmarks.machine import describe_machine
from benchmarks.results import described_run, write_results
from journeys.streams.compiled.engine_choice import EngineSetting, load_engine
from tests.simulation.chunks import Chunk, chunks_of, first_found, run_chunk, worker_with
from tests.simulation.faults import FAULTS
from tests.simulation.simulator import Simulation
from tests.simulation.verdict import Verdict, expected
from tests.simulation.worker import Worker

_SHOWN_FAILURES: Final = 5


def main(arguments: list[str] | None = None) -> int:
    """Run one seed and show all of it, or many and show what failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seeds", type=int, nargs="?", default=3000, help="how many seeds, from 0 on")
    parser.add_argument("--seed", type=int, help="run this one and show each step")
    parser.add_argument("--results", type=Path, help="folder for the figures")
    parser.add_argument("--fault", choices=[*FAULTS, "all"], help="break this on purpose", metavar="NAME")
    parser.add_argument("--engine", choices=get_args(EngineSetting), default="auto")
    chosen = parser.parse_args(arguments)
    if chosen.seed is not None:
        return _show(chosen.seed, worker_with(chosen.engine, None if chosen.fault == "all" else chosen.fault))
    if chosen.fault is not None:
        return _find_faults(FAULTS if chosen.fault == "all" else [chosen.fault], chosen)
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        _say(f"engine: {load_engine(chosen.engine).description}")
        run = partial(run_chunk, worker_with(chosen.engine))
        return _summary(pool.map(run, chunks_of(chosen.seeds)), chosen.results)


def _summary(chunks: Iterable[Chunk], results: Path | None) -> int:
    runs = failed = crashes = wakings = others = duplicates = 0
    seconds = 0.0
    for chunk in chunks:
        seconds += chunk.seconds
        for verdict in chunk.verdicts:
            runs += 1
            crashes += verdict.crashes
            wakings += verdict.wakings
            others += verdict.zombie_steps
            duplicates += verdict.duplicates
            failed += bool(verdict.problems)
            if verdict.problems and failed <= _SHOWN_FAILURES:
                _say_failure(verdict, None)
    _say(
        f"{runs} runs, {runs / seconds * 60:,.0f} a minute in one thread: {crashes} crashes, {wakings} wakings and "
        f"returns of workers, {others} steps by workers that had lost the partition, {duplicates} outputs published "
        f"again: {failed} violations"
    )
    _keep(
        results,
        "simulation.json",
        {
            "runs": runs,
            "runs_a_minute_in_one_thread": round(runs / seconds * 60),
            "crashes": crashes,
            "wakings": wakings,
            "steps_without_the_partition": others,
            "published_again": duplicates,
            "violations": failed,
        },
    )
    return 1 if failed else 0


def _keep(folder: Path | None, name: str, figures: dict[str, Any]) -> None:
    if folder is not None:
        write_results(described_run() | {"machine": describe_machine(), "figures": figures}, folder / name)


def _find_faults(names: Iterable[str], chosen: argparse.Namespace) -> int:
    """Run each fault until a seed fails; with one fault, that is what the exit code tells."""
    found: dict[str, int | None] = {}
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        for name, verdict in pool.map(partial(first_found, chosen.seeds), names):
            found[name] = None if verdict is None else verdict.seed
            if verdict is None:
                _say(f"{name}: not found in {chosen.seeds} runs")
            else:
                _say(f"{name}: {' '.join((FAULTS[name].__doc__ or '').split())}")
                _say_failure(verdict, name)
    missed = [name for name, seed in found.items() if seed is None]
    if chosen.fault != "all":
        return int(not missed)
    figures = {"faults": len(found), "found": len(found) - len(missed), "most_seeds": chosen.seeds, "at_seed": found}
    _keep(chosen.results, "simulation_faults.json", figures)
    return int(bool(missed))


def _say_failure(verdict: Verdict, fault: str | None) -> None:
    _say(f"seed {verdict.seed}: {verdict.problems[0][:300]}")
    _say(f"  repeat it with: make simulate SEED={verdict.seed}{'' if fault is None else f' FAULT={fault}'}")


def _show(seed: int, worker: type[Worker]) -> int:
    verdict = Simulation(seed, worker).run()
    entries = (f"{entry.offset:4d}  {str(entry.record)[:240]}" for entry in expected(seed).log)
    for line in chain(entries, (f"      {step}" for step in verdict.trace), verdict.problems):
        _say(line)
    _say(f"seed {seed}: {len(verdict.problems)} problems")
    return 1 if verdict.problems else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
