"""The abandonment report as data frames, with the same numbers from BigQuery and from Parquet files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars

from journeys.analytics.query import queries

PARQUET: Final = Path(".journeys/parquet")
_DAY_MS: Final = 86_400_000
Ask = Callable[[str], list[dict[str, Any]]]
"""Runs a query in BigQuery's SQL; gives rows by column name."""


@dataclass(frozen=True, slots=True)
class Report:
    """Frames over abandonments from `since` up to and without `until` (ms). Money is micros, rates are 0 to 1.

    A rate or average over nothing is None.
    """

    since: int
    until: int
    outcomes: polars.DataFrame
    by_reason: polars.DataFrame
    by_state: polars.DataFrame
    by_day: polars.DataFrame
    by_channel: polars.DataFrame
    by_policy: polars.DataFrame

    @property
    def abandonments(self) -> int:
        """Number of abandonments."""
        return int(self.outcomes["abandonments"][0])

    @property
    def timeout_rate(self) -> float | None:
        """Share of abandonments whose reason is TIMEOUT."""
        return self._per_abandonment("timeouts")

    @property
    def return_rate(self) -> float | None:
        """Share of abandonments whose journey returned: how often the rule was wrong."""
        return self._per_abandonment("returns")

    @property
    def average_penalty_micros(self) -> float | None:
        """Mean penalty of an abandonment."""
        return self._per_abandonment("penalty_micros")

    def _per_abandonment(self, column: str) -> float | None:
        return int(self.outcomes[column][0] or 0) / self.abandonments if self.abandonments else None


def report(days: int = 30, *, folder: Path = PARQUET) -> Report:
    """Report on the `days` days up to the newest abandonment, over Parquet files of `journeys export`.

    Raises NoExportError.
    """
    # Imported here, because reports from BigQuery need no DuckDB.
    from journeys.analytics.parquet_warehouse import ParquetWarehouse  # noqa: PLC0415

    warehouse = ParquetWarehouse(folder)
    return report_of(warehouse.ask, warehouse.dataset, days)


def report_of(ask: Ask, dataset: str, days: int) -> Report:
    """Report on the `days` days up to the newest abandonment, with queries over a dataset."""
    newest = ask(f"SELECT MAX(UNIX_MILLIS(abandoned_at)) AS newest FROM `{dataset}.abandonments`")[0]["newest"]  # noqa: S608 - the program's own names
    until = 0 if newest is None else int(newest) + 1
    since = until - days * _DAY_MS
    frames = {query.name: polars.DataFrame(_plain(ask(query.sql(dataset, since, until)))) for query in queries()}
    return Report(since, until, **frames)


def _plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sums as integers: engines give them as integers, decimals or wider types."""
    return [
        {name: value if value is None or isinstance(value, str) else int(value) for name, value in row.items()}
        for row in rows
    ]
