"""The crash simulation by hand: `python -m tests.simulation [SEEDS]`, or one seed with `--seed SEED`.

Run from the repository's root. Exit code 1 when a seed fails.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from typing import Final

from tests.simulation.simulator import Simulation
from tests.simulation.verdict import Verdict, expected

_CHUNK: Final = 50
_SHOWN_FAILURES: Final = 5


def main(arguments: list[str] | None = None) -> int:
    """Run one seed and show all of it, or many and show what failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seeds", type=int, nargs="?", default=3000, help="how many seeds, from 0 on")
    parser.add_argument("--seed", type=int, help="run this one and show each step")
    chosen = parser.parse_args(arguments)
    if chosen.seed is not None:
        return _show(chosen.seed)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        begins = range(0, chosen.seeds, _CHUNK)
        return _summary(chain.from_iterable(pool.map(_run, (range(n, min(n + _CHUNK, chosen.seeds)) for n in begins))))


def _run(seeds: Iterable[int]) -> list[Verdict]:
    verdicts = [Simulation(seed).run() for seed in seeds]
    for verdict in verdicts:
        verdict.trace = [verdict.trace[-1]]  # the rest is long, and a repetition gives it again
    return verdicts


def _summary(verdicts: Iterable[Verdict]) -> int:
    runs = crashes = wakings = duplicates = 0
    failed: list[int] = []
    for verdict in verdicts:
        runs += 1
        crashes += verdict.crashes
        wakings += verdict.wakings
        duplicates += verdict.duplicates
        if verdict.problems:
            failed.append(verdict.seed)
            if len(failed) <= _SHOWN_FAILURES:
                _say(f"seed {verdict.seed}: {verdict.problems[0][:300]}")
                _say(f"  repeat it with: make simulate SEED={verdict.seed}")
    _say(
        f"{runs} runs: {crashes} crashes, {wakings} times a frozen worker woke up, {duplicates} outputs published "
        f"again, {len(failed)} runs that differ from one without crashes"
    )
    return 1 if failed else 0


def _show(seed: int) -> int:
    verdict = Simulation(seed).run()
    for entry in expected(seed).log:
        _say(f"{entry.offset:4d}  {str(entry.record)[:240]}")
    for step in verdict.trace:
        _say(f"      {step}")
    for problem in verdict.problems:
        _say(problem)
    _say(f"seed {seed}: {len(verdict.problems)} problems")
    return 1 if verdict.problems else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
