"""Reports over a million abandonments, by DuckDB and the BigQuery emulator: `python -m benchmarks.bigquery_reports`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.bigquery_page import update_page
from benchmarks.billed_bytes import report_bytes
from benchmarks.machine import describe_machine
from benchmarks.made_abandonments import SPAN_DAYS, write_abandonments
from benchmarks.measure import ROOT
from benchmarks.process_usage import peak_rss_mb
from benchmarks.results import RESULTS, described_run, write_results
from benchmarks.timed_report import said, timed_report
from journeys.agents.bigquery.client import Warehouse, client
from journeys.agents.bigquery.deployment import apply
from journeys.agents.bigquery.table_fill import fill
from journeys.agents.stack.emulator import Emulator
from journeys.analytics.table import all_tables

FILE = RESULTS / "bigquery_reports.json"
_DAYS = (30, SPAN_DAYS + 1)
_SEED = 6
_START_SECONDS = 120.0
_CHECK_FAILED = 1


def main(
    abandonments: Annotated[int, typer.Option(min=1_000, help="How many; a tenth of them comes twice.")] = 1_000_000,
) -> None:
    """Measure both engines on the same files, fail unless they say the same, and write the figures down."""
    console = Console()
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as folder:
        parquet = Path(folder) / "parquet"
        console.print(f"writing {abandonments:,} abandonments and what belongs to them")
        rows = write_abandonments(parquet, abandonments, _SEED)
        file_bytes = sum(file.stat().st_size for file in parquet.rglob("*.parquet"))
        billed = report_bytes(parquet)
        engines = {"duckdb": _duckdb(parquet), "bigquery emulator": _emulator(parquet, Path(folder) / "emulator")}
    told = [{days: one["said"] for days, one in engine["reports"].items()} for engine in engines.values()]
    is_same = told[0] == told[1]
    for engine in engines.values():
        engine["reports"] = {
            f"{days} days": {name: round(value, 3) for name, value in one["seconds"].items()}
            | {"total": round(sum(one["seconds"].values()), 3)}
            for days, one in engine["reports"].items()
        }
    results = described_run() | {
        "machine": machine,
        "workload": {"rows": rows, "parquet_bytes": file_bytes, "seed": _SEED},
        "reports_are_equal": is_same,
        "billed_bytes": billed,
        "engines": engines,
    }
    write_results(results, FILE)
    update_page()
    _show(engines, console)
    console.print("the reports are equal" if is_same else "THE REPORTS DIFFER")
    if not is_same:
        raise typer.Exit(_CHECK_FAILED)


def _duckdb(parquet: Path) -> dict[str, Any]:
    """DuckDB in a process of its own, so that its memory is its own."""
    command = [sys.executable, "-m", "benchmarks.timed_report", str(parquet), *map(str, _DAYS)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures | {"load_seconds": round(figures["load_seconds"], 3), "peak_rss_mb": round(figures["peak_rss_mb"])}


def _emulator(parquet: Path, folder: Path) -> dict[str, Any]:
    emulator = Emulator(folder)
    emulator.start(print)
    try:
        emulator.wait(_START_SECONDS)
        house = Warehouse("journeys", "journeys", emulator.url, emulator.grpc_endpoint)
        with client(house) as asked:
            apply(asked, house)
            began = perf_counter()
            fill(asked, house, parquet, all_tables())
            loaded = perf_counter() - began
            reports = {}
            for days in _DAYS:
                report, seconds = timed_report(
                    lambda sql: [dict(row.items()) for row in asked.query(sql).result(timeout=600)], house.path, days
                )
                reports[str(days)] = {"seconds": seconds, "said": said(report)}
        pid = emulator.pid
        assert pid is not None, "it has just answered"
        return {"load_seconds": round(loaded, 3), "peak_rss_mb": round(peak_rss_mb(pid)), "reports": reports}
    finally:
        emulator.kill()


def _show(engines: dict[str, dict[str, Any]], console: Console) -> None:
    table = Table("", "load, s", *(f"report of {days} days, s" for days in _DAYS), "peak RSS, MiB", show_edge=False)
    for name, engine in engines.items():
        totals = [f"{engine['reports'][f'{days} days']['total']:.1f}" for days in _DAYS]
        table.add_row(name, f"{engine['load_seconds']:.1f}", *totals, f"{engine['peak_rss_mb']:,}")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
