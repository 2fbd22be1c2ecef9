"""Output topics next to a replay, as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from journeys.agents.verify.output_comparison import TopicComparison


def topic_table(title: str, twice: str, topics: Iterable[TopicComparison]) -> Table:
    """A row for each topic; `twice` is what outputs are that are there more than once."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_edge=False)
    table.add_column("", no_wrap=True)
    for column in ("equal", "missing", "extra", "different", twice):
        table.add_column(column, justify="right")
    for topic in topics:
        row = (topic.equal, topic.missing, topic.extra, topic.different, topic.duplicates)
        table.add_row(topic.topic, *(f"{count:,}" for count in row))
    return table
