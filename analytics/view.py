"""Views for analysts: each row once, money in dollars."""

from __future__ import annotations

from importlib.resources import files
from string import Template
from typing import Final, NamedTuple

# Ordered by dependency: a view reads only tables and views before it.
_NAMES: Final = ("abandonments", "lifecycle", "user_journeys", "last_touches")


class View(NamedTuple):
    """One view. `text` is its query, with `${dataset}` where the dataset goes."""

    name: str
    description: str
    text: str

    def query(self, dataset: str) -> str:
        """Query over a dataset, which is `project.dataset`."""
        return Template(self.text).substitute(dataset=dataset)


def views() -> tuple[View, ...]:
    """All views in the order of creation. The first comment of a file is the view's description."""
    return tuple(_view(name) for name in _NAMES)


def _view(name: str) -> View:
    lines = files("journeys.analytics").joinpath("sql", "views", f"{name}.sql").read_text("utf-8").splitlines()
    comment_lines = 0
    while lines[comment_lines].startswith("--"):
        comment_lines += 1
    description = " ".join(line.removeprefix("--").strip() for line in lines[:comment_lines])
    return View(name, description, "\n".join(lines[comment_lines:]).strip())
