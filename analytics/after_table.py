"""What came after abandonments, as text: for a terminal and for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from journeys.analytics.shares import NOT_ENOUGH, share_text

_NOTHING: Final = "-"
_HEADINGS: Final = (
    "by",
    "value",
    "abandonments",
    "mature",
    "still open",
    "returned",
    "of the mature",
    "converted",
    "of these",
    "penalty of returned",
    "of theirs",
)
LEFT: Final = frozenset(_HEADINGS[:2])


class AfterTable(NamedTuple):
    """Headings and rows of texts, a row for each value of a dimension."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def after_table(rows: Sequence[Mapping[str, Any]]) -> AfterTable:
    """Table of the rows of a query for shares."""
    found: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["dimension"], row["value"]), {})[row["outcome"]] = row
    return AfterTable(_HEADINGS, [_row(*key, outcomes) for key, outcomes in found.items()])


def after_meaning(horizon_days: float) -> str:
    """What the table counts, in a sentence or two."""
    return (
        f"Within {horizon_days:g} days after abandonments by deadline (explicit ends: by reason). Estimated by "
        "Kaplan-Meier over all, with the 95% interval; beside it of the mature ones, which were watched for so long."
    )


def after_line(outcome: str, rows: Sequence[Mapping[str, Any]], horizon_days: float) -> str:
    """A line about all abandonments by deadline."""
    row = next((row for row in rows if (row["dimension"], row["outcome"]) == ("all", outcome)), None)
    name = f"{outcome} within {horizon_days:g} days"
    if row is None:
        return f"{name}: {_NOTHING}"
    counts = f"{row['mature']:,} mature, {row['still_open']:,} still open"
    if row["share"] is None:
        return f"{name}: {NOT_ENOUGH}; {counts}"
    return f"{name}: {share_text(row)}; of the mature {row['mature_share']:.1%}; {counts}"


def _row(dimension: str, value: str, outcomes: Mapping[str, Mapping[str, Any]]) -> Sequence[str]:
    returned, converted = outcomes["returned"], outcomes["converted"]
    counts = [f"{returned[name]:,}" for name in ("abandonments", "mature", "still_open")]
    shares = [(returned, "share"), (converted, "share"), (returned, "penalty_share")]
    texts = [text for row, name in shares for text in (_estimate(row, name), _mature(row, name))]
    return dimension, "" if dimension == "all" else value, *counts, *texts


def _estimate(row: Mapping[str, Any], name: str) -> str:
    # A share of no money at all is nothing, however many were seen.
    return _NOTHING if row[name] is None and row["share"] is not None else share_text(row, name)


def _mature(row: Mapping[str, Any], name: str) -> str:
    share = row[f"mature_{name}"]
    return _NOTHING if share is None else f"{share:.1%}"
