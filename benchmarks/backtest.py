"""`python -m benchmarks.backtest`: backtests by several ways on the same history, figures to results/backtest.json."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.backtest_digest import digest_of_replay, digest_of_tables
from benchmarks.backtest_history import IN_ORDER, write_history
from benchmarks.backtest_systems import POLICIES, SAMPLE
from benchmarks.machine import describe_machine
from journeys.agents.demo.load_generator import Shares
from journeys.agents.history.backtest import packed, unpacked
from journeys.agents.history.history_buckets import MIB, HistoryBuckets
from journeys.agents.history.history_columns import history_batches
from journeys.agents.history.line_files import BadLine, LineFile
from journeys.agents.history.packed_history import pack

_RESULTS: Final = Path(__file__).parent / "results" / "backtest.json"
_CHECK_FAILED: Final = 1
_MANY: Final = 5_000_000
_CHECKED: Final = 60_000
_CHECKED_POLICIES: Final = POLICIES[:3]
_ON_PACKED: Final = ("packed, 1 policy", "packed, 10 policies")
_ON_HISTORY: Final = (*("unpacked, 1 policy", "unpacked, 64 MiB", "pack", "pack, 64 MiB", "pure core, sample"),)
_IN_ORDER: Final = ("unpacked, 1 policy", "polars")


def main(
    touchpoints: Annotated[
        int, typer.Option(min=SAMPLE, help="Touchpoints of the history, without duplicates.")
    ] = _MANY,
    in_order: Annotated[int, typer.Option(min=SAMPLE, help="Touchpoints of the history that polars takes.")] = _MANY,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each way, in turns.")] = 3,
    folder: Annotated[Path | None, typer.Option(help="Where histories are kept for the next time.")] = None,
) -> None:
    """Compare ways to backtest, each run in a process of its own, and write the figures down after each turn.

    First a history is run through the pure core and through both ways of the engine, and every abandonment compared.
    """
    console = Console()
    with TemporaryDirectory(prefix="journeys-bench-") as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        _check(_history(place, "checked", _CHECKED, Shares()), console)
        usual = _history(place, "usual", touchpoints, Shares())
        ordered = _history(place, "inorder", in_order, IN_ORDER)
        file = place / "usual.packed.parquet"
        _pack(usual, file)
        inputs = [
            (way, path)
            for ways, path in ((_ON_PACKED, file), (_ON_HISTORY, usual), (_IN_ORDER, ordered))
            for way in ways
        ]
        measured: dict[tuple[str, Path], list[dict[str, Any]]] = {key: [] for key in inputs}
        loads: list[float] = []
        for turn in range(runs):
            for way, path in inputs:
                console.print(f"run {turn + 1} of {runs}: {way}, {path.name}")
                loads.append(os.getloadavg()[0])
                measured[way, path].append(_run(way, path))
            _compare(measured["polars", ordered][0], measured["unpacked, 1 policy", ordered][0], console)
            rows = [_row(way, path, found) for (way, path), found in measured.items()]
            results = {"machine": describe_machine(), "load": [min(loads), median(loads), max(loads)], "ways": rows}
            _RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    _show(rows, console)


def _compare(polars: dict[str, Any], engine: dict[str, Any], console: Console) -> None:
    """Raise typer.Exit where polars counts otherwise; its penalties are of doubles."""
    if any(polars["found"][name] != engine["found"][name] for name in ("abandonments", "conversions")):
        console.print(f"polars and the engine differ: {polars}, {engine}", markup=False)
        raise typer.Exit(_CHECK_FAILED)


def _history(place: Path, name: str, touchpoints: int, shares: Shares) -> Path:
    path = place / f"{name}.parquet"
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        write_history(unfinished, touchpoints, len(name), shares)
        unfinished.rename(path)
    return path


def _rows(path: Path) -> int:
    from pyarrow.parquet import read_metadata  # noqa: PLC0415  (only here)

    return int(read_metadata(path).num_rows)


def _no_bad_line(line: BadLine) -> None:
    raise AssertionError(f"line {line.number}: {line.error}")


def _pack(history: Path, file: Path) -> None:
    with HistoryBuckets(history.stat().st_size, 1024 * MIB, with_names=True) as buckets:
        pack(buckets, buckets.fill(history_batches(LineFile(str(history)), _no_bad_line)), file, 0)


def _check(history: Path, console: Console) -> None:
    """Compare all abandonments of the pure core and of the engine; raises typer.Exit where they differ."""
    records = [found for found in LineFile(str(history)).records() if isinstance(found, tuple)]
    expected = [digest_of_replay(records, policy) for policy in _CHECKED_POLICIES]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "packed.parquet"
        _pack(history, file)
        by_way = {"packed": digest_of_tables(packed(str(file), with_names=True), _CHECKED_POLICIES)}
    with unpacked(LineFile(str(history)), 1024 * MIB, _no_bad_line, with_names=True) as found:
        by_way["unpacked"] = digest_of_tables(found, _CHECKED_POLICIES)
    for way, digests in by_way.items():
        if digests != expected:
            console.print(f"{way}: {digests}, but the pure core gives {expected}", markup=False)
            raise typer.Exit(_CHECK_FAILED)
    console.print(
        f"{len(records):,} records: {sum(one[0] for one in expected):,} abandonments, each as the pure core's"
    )


def _run(way: str, path: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.backtest_systems", way, str(path)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def _row(way: str, path: Path, runs: list[dict[str, Any]]) -> dict[str, Any]:
    touchpoints = SAMPLE if way == "pure core, sample" else _rows(path)
    seconds, cpu = median(run["seconds"] for run in runs), median(run["cpu_seconds"] for run in runs)
    return {
        "way": way,
        "history": path.name,
        "touchpoints": touchpoints,
        "touchpoints_per_s": round(touchpoints / seconds),
        "touchpoints_per_cpu_s": round(touchpoints / cpu),
        "peak_rss_mb": round(median(run["peak_rss_mb"] for run in runs)),
        "found": runs[0]["found"],
        "runs": [{name: run[name] for name in ("seconds", "cpu_seconds", "peak_rss_mb")} for run in runs],
    }


def _show(rows: list[dict[str, Any]], console: Console) -> None:
    table = Table(title="backtests, medians", title_justify="left", show_edge=False)
    for column in ("", "history", "touchpoints/s", "per CPU-second", "peak RSS, MiB"):
        table.add_column(column, justify="left" if column in ("", "history") else "right")
    for row in rows:
        figures = (row["touchpoints_per_s"], row["touchpoints_per_cpu_s"], row["peak_rss_mb"])
        table.add_row(row["way"], row["history"], *(f"{figure:,}" for figure in figures))
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
