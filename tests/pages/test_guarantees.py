"""docs/guarantees.md: every command on it exists, and every figure is that of the results file that it names."""

import inspect
import json
import re
import shlex
from functools import reduce
from pathlib import Path

import pytest

from journeys.agents.settings.settings import Settings
from journeys.agents.worker.guards.clock_check import LARGEST_DIFFERENCE_MS
from journeys.agents.worker.restore import rocksdb_partition
from journeys.streams.rule.clock import CLOCK_GUARD_MS
from journeys.streams.rule.policy import DEFAULT_POLICY
from tests.chaos import __main__ as chaos
from tests.simulation.faults import FAULTS

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = (ROOT / "docs" / "guarantees.md").read_text()
CODE = [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", PAGE)]
CHAOS = ("chaos", "outage", "shutdown", "clocks", "cluster")
PROMISES = re.findall(r"^\| (.+) \| (.+) \|$", PAGE.partition("## Under which settings")[0], re.MULTILINE)[1:]
FIGURES = re.findall(r"^\| (.+) \| (\S+)(?: (s|%|MiB))? \| `(\w+\.json) (.+)` \|$", PAGE, re.MULTILINE)


def code(pattern: str) -> list[str]:
    """All that the page shows as code and that begins so."""
    return sorted({found for found in CODE if re.match(pattern, found)})


@pytest.mark.parametrize("command", code(r"make "))
def test_every_target_of_make_exists(command):
    """With variables that the Makefile looks at, and values that what it runs takes."""
    _, target, *variables = shlex.split(command)
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), command
    for name, value in (variable.split("=") for variable in variables):
        assert f"$({name})" in makefile, command
        assert value in {"FAULT": {*FAULTS, "all"}, "CHAOS": set(CHAOS)}[name], command


def test_the_parts_of_chaos_are_those_named_above():
    """Which the command itself says in its help."""
    assert f'metavar="{"|".join(CHAOS)}"' in inspect.getsource(chaos)


def test_every_promise_is_tested():
    """Each line names at least one command, and all that it names are commands."""
    assert len(PROMISES) >= 10
    for promise, tested in PROMISES[1:]:
        commands = re.findall(r"`([^`]+)`", tested)
        assert commands, promise
        assert all(re.match(r"make |journeys |tests/\w", command) for command in commands), promise


def test_the_times_are_those_of_the_settings():
    """Freeze limit, session, skew, grace, the margin of a copy's age."""
    page = " ".join(PAGE.split())
    settings, policy = Settings(_env_file=None), DEFAULT_POLICY
    for said in (
        f"stood still for more than {settings.freeze_limit_seconds:g} s",
        f"given to others {settings.session_timeout_seconds:g} s after its last heartbeat",
        f"policy's skew ({policy.future_skew_ms / 60_000:g} minutes)",
        f"a punctuation more than {CLOCK_GUARD_MS // 1_000} s ahead of that counts nowhere",
        f"differs by more than {LARGEST_DIFFERENCE_MS // 1_000} s ends",
        f"by grace ({policy.grace_ms / 1_000:g} s)",
    ):
        assert said in page
    assert rocksdb_partition._MARGIN_MS == 3_600_000
    assert "clocks of workers and brokers differ by less than an hour" in page


def shown(value: float, unit: str) -> str:
    """Write a figure as the page does."""
    if unit == "%":
        return f"{value * 100:.1f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


@pytest.mark.parametrize(("what", "figure", "unit", "file", "place"), FIGURES, ids=[row[0] for row in FIGURES])
def test_every_figure_is_that_of_the_results(what, figure, unit, file, place):
    """To the digit."""
    results = json.loads((RESULTS / file).read_text())
    value = reduce(
        lambda found, key: found[int(key)] if key.isdigit() and isinstance(found, list) else found[key],
        place.split("."),
        results,
    )
    assert figure == shown(value, unit), what


def test_no_figure_is_left_out():
    """Each row of the table of figures was compared, and all are of the machine that the page names."""
    table = PAGE.rpartition("| what | figure | from |\n")[2].splitlines()[1:]
    assert len(table) == len(FIGURES) > 20
    for file in {row[3] for row in FIGURES}:
        machine = json.loads((RESULTS / file).read_text())["machine"]
        said = (
            f"{machine['cpu']} with {machine['cores']} cores, {machine['memory_mb']} MiB, {machine['system']}, "
            f"Python {machine['python']}, Kafka {machine['kafka']}"
        )
        assert said in " ".join(PAGE.split()), file
