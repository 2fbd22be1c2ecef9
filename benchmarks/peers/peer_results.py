"""The files of results: medians by system with all runs, and beside them what they were measured on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import describe_machine
from benchmarks.measure import ROOT, Run
from benchmarks.peers.known_peers import HERE, PEERS
from benchmarks.results import RESULTS, described_run, system_figures
from benchmarks.results import write_results as write_json

FIGURES: Final = "peers.json"
CONDITIONS: Final = "peers-conditions.json"
_TRIALS: Final = ROOT / ".journeys" / "bench-peers"
_LEAST_TOUCHPOINTS: Final = 1_000_000
_LEAST_RUNS: Final = 3
LEAST: Final = f"{_LEAST_RUNS} runs each of {_LEAST_TOUCHPOINTS:,} touchpoints or more"


def is_whole(measured: Mapping[str, Sequence[Run]], touchpoints: int) -> bool:
    """Whether these are figures to be published: every system, as many runs and touchpoints as it takes."""
    enough = all(len(measured.get(name, ())) >= _LEAST_RUNS for name in PEERS)
    return enough and touchpoints >= _LEAST_TOUCHPOINTS


def place_of(*, whole: bool) -> Path:
    """Folder for results; those of a trial stay out of the repository."""
    return RESULTS if whole else _TRIALS


def write_results(
    folder: Path, measured: Mapping[str, Sequence[Run]], workload: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Write figures and conditions; gives the figures: a list of systems, each with medians and its runs."""
    figures = [system_figures(runs) for runs in measured.values()]
    conditions = described_run() | {
        "machine": describe_machine(),
        "versions": versions(),
        "workload": workload,
        "order": "one run of each system in the order of the list, then the next of each",
    }
    write_json(figures, folder / FIGURES)
    write_json(conditions, folder / CONDITIONS)
    return figures


def read_results(folder: Path = RESULTS) -> list[dict[str, Any]] | None:
    """Figures of a folder; None where there are none yet."""
    path = folder / FIGURES
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def versions() -> dict[str, str]:
    """What the peers are made of: the properties of the pom, and the pins of Bytewax's requirements."""
    pom = (HERE / "pom.xml").read_text("utf-8")
    pins = (HERE / "bytewax" / "requirements.txt").read_text("utf-8")
    found = dict(re.findall(r"<([a-z.0-9]+)\.version>([^<]+)</", pom))
    return found | dict(re.findall(r"^([a-z-]+)(?:\[[a-z]+\])?==(\S+)$", pins, re.MULTILINE))
