"""The abandonment report as data frames, with the same numbers from BigQuery and from Parquet files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars

from journeys.analytics.query import queries
from journeys.analytics.shares import HORIZON_DAYS, shares, with_channels
from journeys.analytics.view import EARLIEST_MS, view_named

PARQUET: Final = Path(".journeys/parquet")
_DAY_MS: Final = 86_400_000
_TEXTS: Final = ("dimension", "value", "outcome")
_COUNTS: Final = ("abandonments", "mature", "still_open", "mature_events")
_SHARES: Final = ("mature_share", "share", "share_low", "share_high")
_MONEY: Final = ("penalty_micros", "mature_penalty_micros", "mature_event_penalty_micros")
_PENALTY_SHARES: Final = ("mature_penalty_share", "penalty_share", "penalty_share_low", "penalty_share_high")
_AFTER: Final = (
    dict.fromkeys(_TEXTS, polars.String)
    | dict.fromkeys(_COUNTS, polars.Int64)
    | dict.fromkeys(_SHARES, polars.Float64)
    # Penalties reach up to int64, so that their sums go beyond it.
    | dict.fromkeys(_MONEY, polars.Int128)
    | dict.fromkeys(_PENALTY_SHARES, polars.Float64)
)
Ask = Callable[[str], list[dict[str, Any]]]
"""Runs a query in BigQuery's SQL; gives rows by column name."""


@dataclass(frozen=True, slots=True)
class Report:
    """Frames over abandonments from `since` up to and without `until` (ms). Money is micros, rates are 0 to 1.

    A rate or average over nothing is None. `after` says what came within the horizon after abandonments by deadline:
    a row for each value of a dimension, and each outcome. It begins a horizon before `since`, so that what it counts
    can be mature; explicit ends are in it under the dimension `reason` alone.
    """

    since: int
    until: int
    horizon_days: float
    after: polars.DataFrame
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
        """Share of abandonments by deadline that came back within the horizon, by Kaplan-Meier: they were wrong.

        None where too few have been watched for so long.
        """
        found = self.after.filter(dimension="all", outcome="returned")
        return None if found.is_empty() else found["share"][0]

    @property
    def average_penalty_micros(self) -> float | None:
        """Mean penalty of an abandonment."""
        return self._per_abandonment("penalty_micros")

    def _per_abandonment(self, column: str) -> float | None:
        return int(self.outcomes[column][0] or 0) / self.abandonments if self.abandonments else None


def report(days: int = 30, *, folder: Path = PARQUET, horizon_days: float = HORIZON_DAYS) -> Report:
    """Report on the `days` days up to the newest abandonment, over Parquet files of `journeys export`.

    Returns and conversions are those within `horizon_days` after an abandonment. Raises NoExportError.
    """
    # Imported here, because reports from BigQuery need no DuckDB.
    from journeys.analytics.parquet_warehouse import ParquetWarehouse  # noqa: PLC0415

    warehouse = ParquetWarehouse(folder)
    return report_of(warehouse.ask, warehouse.dataset, days, horizon_days)


def report_of(ask: Ask, dataset: str, days: int, horizon_days: float = HORIZON_DAYS) -> Report:
    """Report on the `days` days up to the newest abandonment, with queries over a dataset."""
    newest = ask(f"SELECT MAX(UNIX_MILLIS(abandoned_at)) AS newest FROM `{dataset}.abandonments`")[0]["newest"]  # noqa: S608 - the program's own names
    until = 0 if newest is None else int(newest) + 1
    since = until - days * _DAY_MS
    frames = {query.name: polars.DataFrame(_plain(ask(query.sql(dataset, since, until)))) for query in queries()}
    asked_since = max(EARLIEST_MS, since - round(horizon_days * _DAY_MS))
    after = ask(shares_of(dataset, asked_since, until, horizon_days))
    return Report(since, until, horizon_days, polars.DataFrame(_plain(after), schema=_AFTER), **frames)


def shares_of(dataset: str, since: int, until: int, horizon_days: float) -> str:
    """Query for the shares of abandonments from `since` up to and without `until` (ms)."""
    after = view_named("after_abandonment").query(dataset, since)
    before = f"SELECT * FROM ({after}) AS ended WHERE abandoned_at < TIMESTAMP_MILLIS({until})"  # noqa: S608 - the program's own names
    return shares(with_channels(before, dataset, f"TIMESTAMP_MILLIS({since})"), horizon_days)


def _plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sums as integers, which engines give as integers, decimals or wider types; shares to six decimals."""
    return [{name: _plain_value(name, value) for name, value in row.items()} for row in rows]


def _plain_value(name: str, value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    return round(float(value), 6) if "share" in name else int(value)
