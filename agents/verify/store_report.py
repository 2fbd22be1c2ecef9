"""What a check of an embedded store has found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from journeys.agents.verify.output_comparison import TopicComparison
from journeys.agents.verify.table_comparison import TableReport


@dataclass(frozen=True, slots=True)
class StoreReport:
    """Rows, and outputs by topic, next to a replay of the store's input."""

    table: TableReport
    outputs: Sequence[TopicComparison]

    @property
    def ok(self) -> bool:
        """Whether all is as the log makes it; other than in a topic, an output stands in a store once."""
        return self.table.ok and all(topic.ok and not topic.duplicates for topic in self.outputs)
