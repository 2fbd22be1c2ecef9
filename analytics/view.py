"""Views: what analysts read. Each row once, money as dollars."""

from __future__ import annotations

from importlib.resources import files
from string import Template
from typing import Final, NamedTuple

# In an order in which each reads only tables and views before it.
_NAMES: Final = ("abandonments", "lifecycle", "user_journeys", "last_touches")


class View(NamedTuple):
    """One view. `text` is its query, with `${dataset}` where the dataset goes."""

    name: str
    description: str
    text: str

    def query(self, dataset: str) -> str:
        """Its query over a dataset given as `project.dataset`."""
        return Template(self.text).substitute(dataset=dataset)


def views() -> tuple[View, ...]:
    """Give the views in the order of creation. The first comment of each file is its description."""
    return tuple(_view(name) for name in _NAMES)


def _view(name: str) -> View:
    lines = files("journeys.analytics").joinpath("sql", "views", f"{name}.sql").read_text("utf-8").splitlines()
    said = 0
    while lines[said].startswith("--"):
        said += 1
    description = " ".join(line.removeprefix("--").strip() for line in lines[:said])
    return View(name, description, "\n".join(lines[said:]).strip())
