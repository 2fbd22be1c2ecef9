"""Runs of the simulation as a process of a pool makes them: what it is given must not stand in `__main__`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import process_time
from typing import Final, NamedTuple

from tests.simulation.faults import FAULTS
from tests.simulation.simulator import Simulation
from tests.simulation.verdict import Verdict
from tests.simulation.worker import Worker

CHUNK: Final = 50
"""Runs that a process makes at a time."""


class Chunk(NamedTuple):
    """Verdicts of some runs."""

    verdicts: list[Verdict]
    seconds: float
    """Of one processor."""


def run_chunk(worker: type[Worker], seeds: Iterable[int]) -> Chunk:
    """Run seeds."""
    began = process_time()
    verdicts = [Simulation(seed, worker).run() for seed in seeds]
    for verdict in verdicts:
        verdict.trace = [verdict.trace[-1]]  # the rest is long, and a repetition gives it again
    return Chunk(verdicts, process_time() - began)


def first_found(seeds: int, name: str) -> tuple[str, Verdict | None]:
    """Name of a fault, and the first run that it spoils."""
    verdicts: Iterator[Verdict] = (Simulation(seed, FAULTS[name]).run() for seed in range(seeds))
    return name, next((verdict for verdict in verdicts if verdict.problems), None)
