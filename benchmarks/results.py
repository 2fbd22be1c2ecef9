"""The file of results: medians by system, all runs, the machine, the workload, the commit."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import ROOT, Run

RESULTS = Path(__file__).parent / "results"
OWN = RESULTS / "own.json"
REQUIRED_RATIO = 20
_FIGURES = ("events_per_s", "events_per_cpu_s", "peak_rss_mb")


def system_figures(runs: Sequence[Run]) -> dict[str, Any]:
    """Medians of one system's verified runs, and the runs. Events are touchpoints, memory is in MiB."""
    return {
        "system": runs[0].system,
        **{name: round(median(getattr(run, name) for run in runs), 1) for name in _FIGURES},
        "verified": True,
        "runs": [
            {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(run).items()}
            | {name: round(getattr(run, name), 1) for name in _FIGURES}
            for run in runs
        ],
    }


def own_results(
    own: Sequence[Run], naive: Sequence[Run], machine: dict[str, Any], workload: dict[str, Any]
) -> dict[str, Any]:
    """Content of own.json: `figures` by name are the worker's, `ratios` how many times the naive one's they are."""
    systems = [system_figures(runs) for runs in (own, naive)]
    ours, theirs = systems
    return described_run() | {
        "machine": machine,
        "workload": workload,
        "figures": {name: ours[name] for name in _FIGURES},
        "ratios": {
            "to": theirs["system"],
            **{name: round(ours[name] / theirs[name], 1) for name in ("events_per_s", "events_per_cpu_s")},
            "required": REQUIRED_RATIO,
        },
        "systems": systems,
    }


def described_run() -> dict[str, Any]:
    """Which code was measured, and when."""
    return {"commit": _commit(), "measured_at": datetime.now(UTC).isoformat(timespec="seconds")}


def write_results(results: Any, path: Path = OWN) -> None:
    """Write results as JSON; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n", "utf-8")


def _commit() -> str:
    """Hash of the commit that is checked out, with `-dirty` where files differ from it."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty"],  # noqa: S607 - the user's git
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()
