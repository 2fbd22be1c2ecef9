"""`make chaos`: the long form by hand, `python -m tests.chaos`; figures to benchmarks/results/chaos.json."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import describe_machine
from benchmarks.results import RESULTS, write_results
from tests.broker_fixture import leashed
from tests.chaos.run import Chaos
from tests.chaos.schedule import LONG, SHORT, STORM

_FORMS: Final = {"long": LONG, "storm": STORM, "short": SHORT}


def main() -> int:
    """Run chaos once; exit code 1 if an output is missing, extra or different."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same schedule of blows")
    parser.add_argument("--form", choices=_FORMS, default="long")
    parser.add_argument("--output", type=Path, default=RESULTS / "chaos.json")
    parser.add_argument("--logs", type=Path, help="folder to keep the logs of the workers in")
    parser.add_argument("--store", choices=["memory://", "rocksdb://"], default="memory://")
    chosen = parser.parse_args()
    machine = describe_machine()
    folder = Path(tempfile.mkdtemp(prefix="journeys-chaos-"))
    with leashed(folder / "kafka"):
        figures = asyncio.run(Chaos(folder, _FORMS[chosen.form], chosen.seed, _say, store=chosen.store).run())
    found: dict[str, Any] = {"machine": machine, "store": chosen.store, **asdict(figures)}
    write_results(found, chosen.output)
    for name, value in asdict(figures).items():
        _say(f"{name}: {value}")
    right = (figures.missing, figures.extra, figures.different) == (0, 0, 0)
    if chosen.logs is not None:
        shutil.copytree(folder, chosen.logs, dirs_exist_ok=True)
    shutil.rmtree(folder)
    return 0 if right else 1


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
