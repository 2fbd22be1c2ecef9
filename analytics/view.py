"""Views for analysts: each row once, money in dollars."""

from __future__ import annotations

from importlib.resources import files
from string import Template
from typing import Final, NamedTuple

from journeys.analytics.shares import HORIZON_DAYS, shares, with_channels

# Ordered by dependency: a view reads only tables and views before it.
_NAMES: Final = ("abandonments", "lifecycle", "user_journeys", "last_touches", "after_abandonment")
EARLIEST_MS: Final = 631_152_000_000  # 1990: what says that it happened before is refused


class View(NamedTuple):
    """One view. `text` is its query, with `${dataset}` where the dataset goes.

    In one that reads only what happened since an instant, that is `${since}`.
    """

    name: str
    description: str
    text: str

    def query(self, dataset: str, since: int = EARLIEST_MS) -> str:
        """Query over a dataset, which is `project.dataset`, of what happened since an instant (ms)."""
        return Template(self.text).substitute(dataset=dataset, since=f"TIMESTAMP_MILLIS({since})")


def views() -> tuple[View, ...]:
    """All views in the order of creation. The first comment of a file is the view's description."""
    return (*map(_view, _NAMES), _shares())


def view_named(name: str) -> View:
    """The view of this name."""
    return next(view for view in views() if view.name == name)


def _shares() -> View:
    after = with_channels("SELECT * FROM `${dataset}.after_abandonment`", "${dataset}", "${since}")
    return View(
        "abandonment_shares",
        f"Shares of abandonments that returned or converted within {HORIZON_DAYS} days, by policy, reason, segment, "
        "rule, channel, state and month: of the mature ones, and by Kaplan-Meier of all.",
        shares(after),
    )


def _view(name: str) -> View:
    lines = files("journeys.analytics").joinpath("sql", "views", f"{name}.sql").read_text("utf-8").splitlines()
    comment_lines = 0
    while lines[comment_lines].startswith("--"):
        comment_lines += 1
    description = " ".join(line.removeprefix("--").strip() for line in lines[:comment_lines])
    return View(name, description, "\n".join(lines[comment_lines:]).strip())
