"""One report, each of its queries timed; as a program, the one of DuckDB over Parquet files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.process_usage import peak_rss_mb
from journeys.analytics.abandonment_report import Ask, Report, report_of
from journeys.analytics.parquet_warehouse import ParquetWarehouse
from journeys.analytics.query import queries


def timed_report(ask: Ask, dataset: str, days: int) -> tuple[Report, dict[str, float]]:
    """Report and seconds by query; `newest` asks for the newest abandonment, with which every report begins."""
    seconds: list[float] = []

    def timed(sql: str) -> list[dict[str, Any]]:
        began = perf_counter()
        rows = ask(sql)
        seconds.append(perf_counter() - began)
        return rows

    report = report_of(timed, dataset, days)
    names = ("newest", *(query.name for query in queries()))
    return report, dict(zip(names, seconds, strict=True))


def said(report: Report) -> dict[str, Any]:
    """All that a report says, for a comparison."""
    frames = {query.name: getattr(report, query.name).rows() for query in queries()}
    plain: dict[str, Any] = json.loads(json.dumps({"since": report.since, "until": report.until, **frames}))
    return plain


def main() -> None:
    """Print figures and reports over the files of a folder as JSON: `-m benchmarks.timed_report FOLDER DAYS...`."""
    began = perf_counter()
    warehouse = ParquetWarehouse(Path(sys.argv[1]))
    loaded = perf_counter() - began
    reports = {}
    for days in sys.argv[2:]:
        report, seconds = timed_report(warehouse.ask, warehouse.dataset, int(days))
        reports[days] = {"seconds": seconds, "said": said(report)}
    print(json.dumps({"load_seconds": loaded, "peak_rss_mb": peak_rss_mb("self"), "reports": reports}))


if __name__ == "__main__":
    main()
