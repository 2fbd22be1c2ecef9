"""Result of a check of an embedded store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from journeys.agents.verify.output_comparison import TopicComparison
from journeys.agents.verify.table_comparison import TableReport


@dataclass(frozen=True, slots=True)
class StoreReport:
    """Comparison of a store's rows and outputs with a replay of its input."""

    table: TableReport
    outputs: Sequence[TopicComparison]

    @property
    def ok(self) -> bool:
        """Whether rows and outputs equal the replay, and no output is stored twice."""
        return self.table.ok and all(topic.ok and not topic.duplicates for topic in self.outputs)
