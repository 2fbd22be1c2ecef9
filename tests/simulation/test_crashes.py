"""A crash at any single step of a flush changes nothing, and the simulation would find it if one did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.__main__ import main
from tests.simulation.chunks import WORKERS
from tests.simulation.faults import FAULTS
from tests.simulation.simulator import Simulation
from tests.simulation.topics import COMPACTION_LAG_HOURS, TOMBSTONE_HOURS
from tests.simulation.verdict import RUNS_OF_A_LOG, Verdict

ROOT = Path(__file__).parent.parent.parent
# So many runs for the test below; `make simulate SEEDS=n` runs more.
SEEDS = int(os.environ.get("SIMULATION_SEEDS", "1200"))
_PARTS = 4
# Each for a part of the runs, those of a real worker first: what decides must make no difference.
_WORKERS = [*reversed(WORKERS.values())]
# A fault shows itself within so many runs, or the simulation is blind to it.
_FAULT_SEEDS = 3000
_LOGS_AT_EVERY_STEP = 8
_HOURS_UNTIL_ALL_IS_COMPACTED = 2 * (COMPACTION_LAG_HOURS + TOMBSTONE_HOURS)
# What they break shows itself in one of hundreds of runs.
_SELDOM_SEEN = ("repairs-before-partition-row", "gaps-not-looked-at")


def _slow_if(slow: bool) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow] if slow else []


def _first_ones(numbers: range, count: int) -> list[Any]:
    """All of them, those behind the first few slow."""
    return [pytest.param(number, marks=_slow_if(place >= count)) for place, number in enumerate(numbers)]


@pytest.mark.parametrize("part", _first_ones(range(_PARTS), _PARTS // 2))
def test_crashes_and_workers_without_partition_change_nothing(part: int) -> None:
    """Crashes, frozen workers, workers that don't know of their loss, thrown away batches, days without a worker."""
    worker = _WORKERS[part % len(_WORKERS)]
    verdicts = [Simulation(seed, worker).run() for seed in range(part * SEEDS // _PARTS, (part + 1) * SEEDS // _PARTS)]
    assert [f"make simulate SEED={verdict.seed}" for verdict in verdicts if verdict.problems] == []
    trace = "\n".join("\n".join(verdict.trace) for verdict in verdicts)
    happened = {name: trace.count(name) for name in _HAPPENINGS}
    assert all(happened.values()), happened
    assert sum(verdict.duplicates for verdict in verdicts) > 0


_HAPPENINGS = (
    "owner dead",
    "owner frozen",
    "owner cut off",
    "owner handed over",
    "owner ends: FencedError",
    "owner ends: StalledError",
    "of a dead one: row",
    "cut off: row",
    "cut off: output",
    "owns it again",
    "and ends because it stood still",
    "80 hours later",
    "the input topic is created anew",
    "owner ends: journey-events is another topic",
)


@pytest.mark.parametrize("hours_down", [0, _HOURS_UNTIL_ALL_IS_COMPACTED])
@pytest.mark.parametrize("seed", _first_ones(range(0, _LOGS_AT_EVERY_STEP * RUNS_OF_A_LOG, RUNS_OF_A_LOG), 3))
def test_a_crash_at_every_step_changes_nothing(seed: int, hours_down: int) -> None:
    """One crash a run, at each single step of the log's whole course in turn; the next worker comes soon or late."""
    runs = 0
    while True:
        verdict = Simulation(seed, stop_after=runs + 1, hours_down=hours_down).run()
        assert verdict.problems == [], f"crash after step {runs + 1}"
        if verdict.crashes == 0:
            break
        runs += 1
    assert runs > 0


@pytest.mark.parametrize("fault", [pytest.param(fault, marks=_slow_if(fault in _SELDOM_SEEN)) for fault in FAULTS])
def test_a_planted_fault_is_found(fault: str) -> None:
    """What is broken on purpose makes some run differ."""
    assert _first_found(fault) is not None


def _first_found(fault: str) -> Verdict | None:
    verdicts = (Simulation(seed, FAULTS[fault]).run() for seed in range(_FAULT_SEEDS))
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


def test_the_command_finds_a_planted_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """It fails, and the one command that it prints repeats the failure."""
    assert main(["50", "--fault", "commit-before-flush"]) == 1
    command = capsys.readouterr().out.rpartition("repeat it with: make simulate SEED=")[2]
    seed, fault = command.split(" FAULT=")
    assert main(["--seed", seed, "--fault", fault.strip()]) == 1
    assert capsys.readouterr().out.endswith(f"seed {seed}: 0 problems\n") is False


def test_the_command_finds_nothing_where_nothing_is_broken(tmp_path: Path) -> None:
    """As a process of its own, whose children must find what they run; it keeps its figures."""
    done = _command("60", "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "\n60 runs, " in done.stdout
    assert done.stdout.endswith(": 0 violations\n")
    figures = json.loads((tmp_path / "simulation.json").read_text())["figures"]
    assert (figures["runs"], figures["violations"]) == (60, 0)


def test_the_command_says_of_each_fault_when_it_is_found(tmp_path: Path) -> None:
    """One seed shows few of them: those that it does not show are named, and the exit code tells."""
    done = _command("1", "--fault", "all", "--results", str(tmp_path))
    assert done.returncode == 1, done.stderr
    figures = json.loads((tmp_path / "simulation_faults.json").read_text())["figures"]
    assert figures["faults"] == len(FAULTS) == len(figures["at_seed"])
    missed = [name for name, seed in figures["at_seed"].items() if seed is None]
    assert figures["found"] == len(FAULTS) - len(missed)
    assert [name for name in FAULTS if f"{name}: not found in 1 runs" in done.stdout] == missed


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
