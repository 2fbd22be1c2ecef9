"""Runs of many seeds, a chunk in one process at a time.

A module of its own: a spawned process does not find what stands in the `__main__` of a package.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import process_time
from typing import Final, NamedTuple

from journeys.streams.compiled.engine_choice import EngineSetting, load_engine
from tests.simulation.compiled_worker import IS_BUILT, CompiledWorker
from tests.simulation.faults import FAULTS
from tests.simulation.simulator import Simulation
from tests.simulation.verdict import Verdict
from tests.simulation.worker import Worker

_SEEDS: Final = 50
WORKERS: Final[dict[str, type[Worker]]] = {"reference": Worker}
"""By the engine that applies their records."""
if IS_BUILT:
    WORKERS["compiled"] = CompiledWorker


class Chunk(NamedTuple):
    """What came of a chunk's seeds."""

    verdicts: list[Verdict]
    seconds: float
    """Of one processor."""


def chunks_of(seeds: int) -> Iterator[range]:
    """Cut so many seeds, from 0 on, into chunks."""
    return (range(begin, min(begin + _SEEDS, seeds)) for begin in range(0, seeds, _SEEDS))


def run_chunk(worker: type[Worker], seeds: Iterable[int]) -> Chunk:
    """Run each seed with this worker."""
    began = process_time()
    verdicts = [Simulation(seed, worker).run() for seed in seeds]
    for verdict in verdicts:
        verdict.trace = [verdict.trace[-1]]  # the rest is long, and a repetition gives it again
    return Chunk(verdicts, process_time() - began)


def first_found(seeds: int, fault: str) -> tuple[str, Verdict | None]:
    """Run seeds with a fault until one fails; gives the fault's name and that one."""
    verdicts: Iterator[Verdict] = (Simulation(seed, FAULTS[fault]).run() for seed in range(seeds))
    return fault, next((verdict for verdict in verdicts if verdict.problems), None)


def worker_with(engine: EngineSetting, fault: str | None = None) -> type[Worker]:
    """Worker with that engine; with one thing broken it is the reference's, which can be.

    Raises EngineMissingError where the compiled engine is wanted and can't be had.
    """
    if fault is not None:
        return FAULTS[fault]
    return WORKERS[load_engine(engine).name]
