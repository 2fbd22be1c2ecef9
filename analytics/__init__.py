"""What is asked: tables, views and reports over the output topics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from journeys.analytics.abandonment_report import Report

__all__ = ["report"]


def report(days: int = 30, *, folder: Path | None = None) -> Report:
    """Report on the last `days` days before the newest abandonment, over Parquet files of `journeys export`.

    `folder` is that of the export, default `.journeys/parquet`. Raises NoExportError.
    """
    # Who only wants the tables need not have polars and DuckDB.
    from journeys.analytics.abandonment_report import PARQUET  # noqa: PLC0415
    from journeys.analytics.abandonment_report import report as made  # noqa: PLC0415

    return made(days, folder=PARQUET if folder is None else folder)
