"""Analytics: tables, views and reports over the output topics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from journeys.analytics.abandonment_report import Report

__all__ = ["report"]


def report(days: int = 30, *, folder: Path | None = None, horizon_days: float = 30) -> Report:
    """Report on the `days` days up to the newest abandonment, over Parquet files of `journeys export`.

    `folder` is that of the export, default `.journeys/parquet`. Returns and conversions are those within
    `horizon_days` after an abandonment. Raises NoExportError, ValueError.
    """
    # Imported here, so that the tables alone need neither polars nor DuckDB.
    from journeys.analytics.abandonment_report import PARQUET  # noqa: PLC0415
    from journeys.analytics.abandonment_report import report as report_of_files  # noqa: PLC0415

    return report_of_files(days, folder=PARQUET if folder is None else folder, horizon_days=horizon_days)
