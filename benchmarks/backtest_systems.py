"""One run of one way to backtest, in a process of its own: `python -m benchmarks.backtest_systems WAY FILE`.

Prints a line of JSON: wall and CPU seconds of the work without the process's start, peak resident memory of the whole
process, and what came out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any, Final

from journeys.agents.history.backtest import backtest, packed, unpacked
from journeys.agents.history.history_buckets import MIB, HistoryBuckets
from journeys.agents.history.history_columns import history_batches
from journeys.agents.history.line_files import BadLine, LineFile
from journeys.agents.history.packed_history import pack
from journeys.streams.compiled.backtest_tally import BacktestTally, tally_of
from journeys.streams.partition.driver import replay_unpunctuated
from journeys.streams.rule.policy import DEFAULT_POLICY, Policy

POLICIES: Final = (
    DEFAULT_POLICY,
    *(
        Policy.model_validate(
            {
                "version": f"varied-{number}",
                "deadlines": {"inactivity_hours": 24 + 12 * number, "timeout_days": 10 + number},
            }
        )
        for number in range(9)
    ),
)
SAMPLE: Final = 50_000
_HELD: Final = 1024 * MIB
_LITTLE: Final = 64 * MIB


def _no_bad_line(line: BadLine) -> None:
    raise AssertionError(f"line {line.number}: {line.error}")


def _said(tally: BacktestTally) -> dict[str, int]:
    return {
        "abandonments": sum(tally.abandonments),
        "conversions": tally.conversions,
        "penalty_micros": tally.total_penalty_micros,
    }


def _packed(path: str, count: int) -> dict[str, int]:
    return _said(backtest(packed(path), POLICIES[:count])[0])


def _unpacked(path: str, count: int, held_bytes: int = _HELD) -> dict[str, int]:
    with unpacked(LineFile(path), held_bytes, _no_bad_line) as history:
        return _said(backtest(history, POLICIES[:count])[0])


def _pack(path: str, held_bytes: int) -> dict[str, int]:
    with (
        TemporaryDirectory() as folder,
        HistoryBuckets(Path(path).stat().st_size, held_bytes, with_names=True) as buckets,
    ):
        clock = buckets.fill(history_batches(LineFile(path), _no_bad_line))
        return {"journeys": pack(buckets, clock, Path(folder) / "packed.parquet", 0)}


def _core(path: str) -> dict[str, int]:
    lines: Any = islice(LineFile(path).records(), SAMPLE)
    return _said(tally_of(replay_unpunctuated(lines)))


def _polars(path: str) -> dict[str, int]:
    from benchmarks.backtest_polars import polars_backtest  # noqa: PLC0415  (a process that runs it pays for it)

    return polars_backtest(path)


WAYS: Final[dict[str, Callable[[str], dict[str, int]]]] = {
    "packed, 1 policy": lambda path: _packed(path, 1),
    "packed, 10 policies": lambda path: _packed(path, 10),
    "unpacked, 1 policy": lambda path: _unpacked(path, 1),
    "unpacked, 10 policies": lambda path: _unpacked(path, 10),
    "unpacked, 64 MiB": lambda path: _unpacked(path, 1, _LITTLE),
    "polars": _polars,
    "pack": lambda path: _pack(path, _HELD),
    "pack, 64 MiB": lambda path: _pack(path, _LITTLE),
    "pure core, sample": _core,
}


def main() -> None:
    """Run the way that the arguments name."""
    way, path = sys.argv[1:]
    cpu, wall = process_time(), perf_counter()
    found = WAYS[way](path)
    measured = {"seconds": perf_counter() - wall, "cpu_seconds": process_time() - cpu}
    # Not ru_maxrss, which begins with what the parent had.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak_mb = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(json.dumps(measured | {"peak_rss_mb": peak_mb, "found": found}))


if __name__ == "__main__":
    main()
