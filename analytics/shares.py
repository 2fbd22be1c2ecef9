"""Shares of abandonments that were followed by a return or a conversion within a horizon.

Whether an abandonment was wrong is known only later. So each share comes from abandonments that were watched for the
whole horizon (mature), and from the Kaplan-Meier estimate over all of them; both by one query in BigQuery's SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from string import Template
from typing import Any, Final

HORIZON_DAYS: Final = 30
ENOUGH: Final = 30
"""As many abandonments must be mature before a share is shown."""
NOT_ENOUGH: Final = "not enough seen yet"
DIMENSIONS: Final = {
    "all": "'all'",
    "policy": "policy_version",
    "reason": "abandonment_reason",
    "segment": "COALESCE(segment, '(none)')",
    "rule": "COALESCE(deadline_rule, '(none)')",
    "channel": "COALESCE(channel, '(none)')",
    "state": "state",
    "month": "FORMAT_TIMESTAMP('%Y-%m', abandoned_at)",
}
"""What abandonments are told apart by: name, and SQL. `month` is that of the abandonment, UTC."""
_DAY_MS: Final = 86_400_000


def shares(watched: str, horizon_days: float = HORIZON_DAYS, dimensions: Mapping[str, str] = DIMENSIONS) -> str:
    """Query for the shares of the abandonments in `watched`: a row for each value of a dimension, and each outcome.

    `watched` is a query for rows with the ages of the view after_abandonment, and what the dimensions ask for.
    """
    keys = ",\n    ".join(f"STRUCT('{name}' AS dimension, {value} AS value)" for name, value in dimensions.items())
    text = files("journeys.analytics").joinpath("sql", "reports", "shares.sql").read_text("utf-8")
    horizon_ms = round(horizon_days * _DAY_MS)
    return Template(text).safe_substitute(watched=watched, keys=keys, horizon_ms=horizon_ms, enough=ENOUGH)


def with_channels(after: str, dataset: str, since: str) -> str:
    """Query for the rows of `after`, a query for rows of the view after_abandonment, with the last channel.

    `since` is an instant in SQL before which nothing was abandoned.
    """
    return (
        f"SELECT after.*, touched.channel FROM ({after}) AS after LEFT JOIN `{dataset}.last_touches` AS touched "  # noqa: S608 - the program's own names
        f"ON touched.abandonment_id = after.abandonment_id AND touched.abandoned_at >= {since}"
    )


def share_text(row: Mapping[str, Any], name: str = "share") -> str:
    """A share of a row with its interval, such as 22.1% (20.3 to 24.0%)."""
    share = row[name]
    if share is None:
        return NOT_ENOUGH
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return f"{share:.1%}" if low is None or high is None else f"{share:.1%} ({low * 100:.1f} to {high:.1%})"
