"""Limits on the event times of rows that are written to BigQuery.

A table has 10,000 partitions at most, one for each day, and BigQuery accepts streamed rows only within a window of days
around now: a row outside fails its whole request, or would create an unwanted partition. So rows are checked before
they are sent. Older history is loaded with `journeys bigquery load`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from journeys.analytics.table import Table
from journeys.schemas.instants import DAY_MS, check_instant
from journeys.schemas.invalid import InvalidRecordError

STREAMED_DAYS_BACK: Final = 3650
"""Limit in the past of the Storage Write API for tables that are partitioned by a column."""
DAYS_AHEAD: Final = 365
"""Limit in the future; no deadline of a journey is farther ahead than the cap of its policy."""


def require_streamable(table: Table, fields: Mapping[str, Any], now: int) -> None:
    """Raise InvalidRecordError if a row, as fields by name, may not be streamed at `now` (ms)."""
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
    """First instant (ms) too far in the future for a row to be loaded at `now`."""
    return now + DAYS_AHEAD * DAY_MS
