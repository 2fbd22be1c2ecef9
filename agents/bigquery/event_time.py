"""Which event times may become partitions of a table.

A table has 10,000 partitions at most, one for each day here, and BigQuery streams rows into a window of days around
now only: a row outside fails its whole request, or would make a partition that nobody wants. So rows are looked at
before they are sent. History that is older than the window is loaded, by `journeys bigquery load`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from journeys.analytics.table import Table
from journeys.schemas.instants import DAY_MS, check_instant
from journeys.schemas.invalid import InvalidRecordError

STREAMED_DAYS_BACK: Final = 3650
"""How far back the Storage Write API takes rows into a table that is partitioned by a column."""
DAYS_AHEAD: Final = 365
"""How far ahead; the farthest that a journey's deadline lies ahead is a policy's cap."""


def require_streamable(table: Table, fields: Mapping[str, Any], now: int) -> None:
    """Raise InvalidRecordError for a row, given as fields of its record, that no stream may bring at `now` (ms)."""
    name = table.partition_by
    at = check_instant(fields[name], name)
    if at >= now + DAYS_AHEAD * DAY_MS:
        raise InvalidRecordError(name, at, f"an instant (ms) of at most {DAYS_AHEAD} days ahead")
    if at < now - STREAMED_DAYS_BACK * DAY_MS:
        raise InvalidRecordError(
            name,
            at,
            f"an instant (ms) of the last {STREAMED_DAYS_BACK} days; older history is loaded, not streamed: "
            "journeys export, then journeys bigquery load",
        )


def latest_loadable(now: int) -> int:
    """Instants (ms) of rows that may be loaded at `now` are from 1990 up to and without this."""
    return now + DAYS_AHEAD * DAY_MS
