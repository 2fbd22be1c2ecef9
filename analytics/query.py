"""Queries of a report: one set of SQL files in BigQuery's dialect, over the views."""

from __future__ import annotations

from importlib.resources import files
from string import Template
from typing import Final, NamedTuple

# The report computes average and rates from these results, so that engines need not round alike.
NAMES: Final = ("outcomes", "by_reason", "by_state", "by_channel", "by_policy", "by_day")


class Query(NamedTuple):
    """One query. `title` is the first comment of its file."""

    name: str
    title: str
    text: str

    def sql(self, dataset: str, since: int, until: int) -> str:
        """BigQuery's SQL over a dataset, for abandonments from `since` up to and without `until` (ms)."""
        return Template(self.text).substitute(dataset=dataset, since=since, until=until)


def queries() -> tuple[Query, ...]:
    """All queries, in the order of a report."""
    return tuple(_query(name) for name in NAMES)


def _query(name: str) -> Query:
    lines = files("journeys.analytics").joinpath("sql", "reports", f"{name}.sql").read_text("utf-8").splitlines()
    return Query(name, lines[0].removeprefix("--").strip(), "\n".join(lines[1:]))
