"""Output topics compared with a replay: as a table, as JSON, and the differences as lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from journeys.cli.output import print_line
from journeys.cli.screen import new_table

if TYPE_CHECKING:
    from rich.table import Table

    from journeys.agents.verify.output_comparison import TopicComparison

_COUNTS = ("equal", "missing", "extra", "different", "duplicates")


def topic_table(title: str, topics: Iterable[TopicComparison]) -> Table:
    """A row for each topic; `twice` are outputs that are there more than once."""
    counts = (*_COUNTS[:-1], "twice")  # short, so that a topic's name is not folded in 80 columns
    table = new_table("", *counts, title=title, right=counts)
    for topic in topics:
        table.add_row(topic.topic, *(f"{getattr(topic, name):,}" for name in _COUNTS))
    return table


def print_differences(topics: Iterable[TopicComparison]) -> None:
    """Print each difference as a line."""
    for topic in topics:
        for difference in topic.differences:
            print_line(difference.text)


def topics_json(topics: Iterable[TopicComparison]) -> list[dict[str, Any]]:
    """The same comparisons for --json."""
    return [
        {
            "topic": topic.topic,
            **{name: getattr(topic, name) for name in (*_COUNTS, "unreadable", "ahead")},
            "differences": [difference._asdict() for difference in topic.differences],
        }
        for topic in topics
    ]
