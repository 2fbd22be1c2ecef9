"""A crash after any single step of a flush changes nothing, and the simulation would find it if one did."""

from __future__ import annotations

import os

import pytest

from tests.simulation.__main__ import main
from tests.simulation.faults import FAULTS
from tests.simulation.simulator import Simulation
from tests.simulation.verdict import RUNS_OF_A_LOG, Verdict
from tests.simulation.worker import Worker

# So many runs for the test below; `make simulate SEEDS=n` runs more.
SEEDS = int(os.environ.get("SIMULATION_SEEDS", "1200"))
_PARTS = 4
# A fault shows itself within so many runs, or the simulation is blind to it.
_FAULT_SEEDS = 1000
_LOGS_AT_EVERY_STEP = 12


@pytest.mark.parametrize("part", range(_PARTS))
def test_crashes_and_frozen_workers_change_nothing(part: int) -> None:
    """Several crashes a run, acknowledgements lost, workers that wake up: outputs by id and table as without them."""
    verdicts = [Simulation(seed).run() for seed in range(part * SEEDS // _PARTS, (part + 1) * SEEDS // _PARTS)]
    assert [f"make simulate SEED={verdict.seed}" for verdict in verdicts if verdict.problems] == []
    assert sum(verdict.crashes for verdict in verdicts) >= len(verdicts)
    assert sum(verdict.wakings for verdict in verdicts) > 0
    assert sum(verdict.duplicates for verdict in verdicts) > 0


@pytest.mark.parametrize("seed", range(0, _LOGS_AT_EVERY_STEP * RUNS_OF_A_LOG, RUNS_OF_A_LOG))
def test_a_crash_at_every_step_changes_nothing(seed: int) -> None:
    """One crash a run, behind each single write of the log's whole course in turn."""
    runs = 0
    while True:
        verdict = Simulation(seed, crash_after=runs + 1).run()
        assert verdict.problems == [], f"crash after step {runs + 1}"
        if verdict.crashes == 0:
            break
        runs += 1
    assert runs > 0


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: type[Worker]) -> None:
    """What is broken on purpose makes some run differ."""
    assert _first_found(fault) is not None


def _first_found(fault: type[Worker]) -> Verdict | None:
    verdicts = (Simulation(seed, fault).run() for seed in range(_FAULT_SEEDS))
    return next((verdict for verdict in verdicts if verdict.problems), None)


def test_a_run_is_the_same_each_time() -> None:
    """All chance comes from the seed, so a failing one can be repeated."""
    assert Simulation(7).run().trace == Simulation(7).run().trace


def test_the_command_shows_one_seed(capsys: pytest.CaptureFixture[str]) -> None:
    """`make simulate SEED=7` prints the log, each step, and what is wrong."""
    assert main(["--seed", "7"]) == 0
    shown = capsys.readouterr().out
    assert "owner: restored" in shown
    assert shown.endswith("seed 7: 0 problems\n")
