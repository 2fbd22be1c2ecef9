"""Long fuzzing: `python -m tests.fuzz [BAD]`, from the repository's root; `--target T --input FILE` tries one again.

Exit code 1 at a crash, a hang, or more memory than an input may take.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any, Final

from benchmarks.machine import describe_machine
from benchmarks.results import RESULTS, described_run, write_results
from tests.fuzz.foreign_random import tried
from tests.fuzz.targets import TARGETS

ROOT: Final = Path(__file__).parent.parent.parent
# What libFuzzer has bred and what has crashed; breeding goes on there the next time.
FOLDER: Final = ROOT / ".journeys" / "fuzz"
_LONGEST_INPUT: Final = 16_384
_HANG_SECONDS: Final = 20
_MOST_MEMORY_MIB: Final = 2_048
_TAIL_LINES: Final = 25
_FOREIGN_CHUNKS, _FOREIGN_AT_ONCE = 10, 10_000


@dataclass
class Outcome:
    """What became of one target's inputs. `crashes` are files that repeat them."""

    target: str
    tried: int = 0
    bad: int = 0
    accounted: dict[str, int] = field(default_factory=dict)
    crashes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    said: str = ""


def main(arguments: list[str] | None = None) -> int:
    """Fuzz every target, or try one input again."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("bad", type=int, nargs="?", default=1_000_000, help="how many bad inputs, over all targets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", choices=TARGETS)
    parser.add_argument("--input", type=Path, help="a file of one input for --target")
    chosen = parser.parse_args(arguments)
    if chosen.input is not None:
        _say(str(dict(TARGETS[chosen.target].try_input(chosen.input.read_bytes()))))
        return 0
    if find_spec("atheris") is None:
        _say("this needs the package atheris (Linux on an x86 processor): make fuzz installs it")
        return 2
    names = [chosen.target] if chosen.target else list(TARGETS)
    shares = sum(TARGETS[name].share for name in names)
    wanted = {name: -(-chosen.bad * TARGETS[name].share // shares) for name in names}
    machine = describe_machine()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = list(pool.map(lambda name: _fuzz(name, wanted[name], chosen.seed), names))
    _show(outcomes)
    if not chosen.target:
        foreign = _foreign(chosen.seed)
        write_results(_results(outcomes, chosen.seed, machine) | {"foreign": foreign}, RESULTS / "fuzz.json")
    return 1 if any(outcome.crashes for outcome in outcomes) else 0


def _fuzz(name: str, wanted: int, seed: int) -> Outcome:
    bred, crashed = FOLDER / name / "bred", FOLDER / name / "crashed"
    seeds, tally = FOLDER / name / "seeds", FOLDER / name / "tally.json"
    shutil.rmtree(FOLDER / name, ignore_errors=True)  # so that the same seed tries the same inputs
    for folder in (bred, crashed, seeds):
        folder.mkdir(parents=True)
    target = TARGETS[name]
    for data in [*target.good(), *target.bad().values()]:
        if len(data) <= _LONGEST_INPUT:
            (seeds / sha256(data).hexdigest()[:16]).write_bytes(data)
    began = monotonic()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.fuzz.guided", name, str(wanted), str(tally)),
            *(f"-seed={seed}", f"-max_len={_LONGEST_INPUT}", f"-timeout={_HANG_SECONDS}", "-print_final_stats=0"),
            *(f"-rss_limit_mb={_MOST_MEMORY_MIB}", f"-artifact_prefix={crashed}/", str(bred), str(seeds)),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "0"},  # what new code is depends on the order of sets, too
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    counts: dict[str, Any] = json.loads(tally.read_text()) if tally.is_file() else {}
    outcome = Outcome(name, **counts, seconds=round(monotonic() - began, 1))
    if done.returncode != 0:
        outcome.crashes = [str(path.relative_to(ROOT)) for path in crashed.iterdir()] or ["of no single input"]
        outcome.said = "\n".join((done.stdout + done.stderr).splitlines()[-_TAIL_LINES:])
    return outcome


def _foreign(seed: int) -> dict[str, Any]:
    """Random schemas of other writers with bodies, in processes with limits; raises AssertionError if one ends."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        chunks = list(pool.map(lambda chunk: tried(_FOREIGN_AT_ONCE, seed * 1_000 + chunk), range(_FOREIGN_CHUNKS)))
    accounted = sum((chunk.accounted for chunk in chunks), Counter[str]())
    most_mib = max(chunk.most_mib for chunk in chunks)
    words = ", ".join(f"{what}: {count:,}" for what, count in sorted(accounted.items()))
    _say(f"{accounted.total():,} foreign schemas with bodies, in at most {most_mib} MiB: {words}")
    return {"tried": accounted.total(), "most_mib": most_mib, "accounted": dict(sorted(accounted.items()))}


def _show(outcomes: list[Outcome]) -> None:
    _say(f"{'target':14}{'tried':>12}{'bad':>12}{'crashes':>9}{'seconds':>9}  accounted for")
    for one in outcomes:
        accounts = ", ".join(f"{what}: {count:,}" for what, count in sorted(one.accounted.items()))
        _say(f"{one.target:14}{one.tried:12,}{one.bad:12,}{len(one.crashes):9}{one.seconds:9.1f}  {accounts}")
    tried, bad = sum(one.tried for one in outcomes), sum(one.bad for one in outcomes)
    _say(f"{'all':14}{tried:12,}{bad:12,}{sum(len(one.crashes) for one in outcomes):9}")
    for one in outcomes:
        for path in one.crashes:
            _say(f"\n{one.said}")
            _say(f"repeat it with .venv/bin/python -m tests.fuzz --target {one.target} --input {path}")


def _results(outcomes: list[Outcome], seed: int, machine: dict[str, Any]) -> dict[str, Any]:
    return described_run() | {
        "machine": machine,
        "seed": seed,
        "figures": {
            "inputs_tried": sum(one.tried for one in outcomes),
            "bad_inputs": sum(one.bad for one in outcomes),
            "crashes": sum(len(one.crashes) for one in outcomes),
        },
        "targets": [
            {
                "target": one.target,
                "tried": one.tried,
                "bad": one.bad,
                "crashes": len(one.crashes),
                "seconds": one.seconds,
                "accounted": dict(sorted(one.accounted.items())),
            }
            for one in outcomes
        ],
    }


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
