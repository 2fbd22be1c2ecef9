"""The figures of docs/bigquery.md, made of the results: `python -m benchmarks.bigquery_page` writes them anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import ROOT
from benchmarks.page_part import with_part
from benchmarks.results import RESULTS

PAGE: Final = ROOT / "docs" / "bigquery.md"
_PARTS: Final = ("bigquery_sinks", "bigquery_reports")


def update_page() -> None:
    """Write the figures of those benchmarks that have results into the page."""
    PAGE.write_text(page_with(PAGE.read_text("utf-8"), RESULTS), "utf-8")


def page_with(text: str, results: Path) -> str:
    """The page with the figures of a folder of results; raises ValueError where a marker is missing."""
    for name in _PARTS:
        file = results / f"{name}.json"
        said = _TABLES[name](json.loads(file.read_text("utf-8"))) if file.exists() else "Not measured yet."
        text = with_part(PAGE, text, f"<!-- {name}: begin -->", f"<!-- {name}: end -->", said)
    return text


def _sinks(results: Mapping[str, Any]) -> str:
    head = ("| into the emulator | rows/s | rows per own CPU-second | peak RSS, MiB |", "|---|---:|---:|---:|")
    rows = [
        f"| {one['system']} | {one['rows_per_s']:,.0f} | {one['rows_per_cpu_s']:,.0f} | {one['peak_rss_mb']:,.0f} |"
        for one in results["systems"]
    ]
    count, runs = results["workload"]["rows"], len(results["systems"][0]["runs"])
    return "\n".join([f"{count:,} abandonments, medians of {runs} runs, {_machine(results)}:", "", *head, *rows])


def _reports(results: Mapping[str, Any]) -> str:
    days = list(next(iter(results["engines"].values()))["reports"])
    head = " | ".join(f"report of {name}, s" for name in days)
    rows = [
        f"| {name} | {one['load_seconds']:.1f} | "
        + " | ".join(f"{one['reports'][span]['total']:.1f}" for span in days)
        + f" | {one['peak_rss_mb']:,} |"
        for name, one in results["engines"].items()
    ]
    counts = results["workload"]["rows"]
    said = ", ".join(f"{count:,} rows of `{name}`" for name, count in counts.items())
    billed = [f"| `{name}` | {count / 1e6:,.0f} |" for name, count in results["billed_bytes"].items()]
    return "\n".join(
        [
            f"{said}; {_machine(results)}; {'equal' if results['reports_are_equal'] else 'NOT EQUAL'} reports:",
            "",
            f"| engine | load, s | {head} | peak RSS, MiB |",
            f"|---|---:|{'---:|' * len(days)}---:|",
            *rows,
            "",
            "What BigQuery would bill for each query over all these days, worked out from the columns that it reads:",
            "",
            "| query | MB |",
            "|---|---:|",
            *billed,
        ]
    )


def _machine(results: Mapping[str, Any]) -> str:
    machine = results["machine"]
    return f"{machine['cores']} cores, {machine['memory_mb'] // 1024} GiB"


_TABLES: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {"bigquery_sinks": _sinks, "bigquery_reports": _reports}

if __name__ == "__main__":
    update_page()
