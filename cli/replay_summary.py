"""What a replay came to, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Table

from journeys.schemas.money import format_dollars
from journeys.schemas.records import REASONS, InputRecord, Touchpoint
from journeys.streams.partition.effects import Effects


class ReplaySummary:
    """Counts while a replay runs. Penalties are in micros."""

    def __init__(self) -> None:
        self.touchpoints = 0
        self.applied = self.late = self.duplicate = self.refused = self.dead = 0
        self.abandonments: Counter[str] = Counter()
        self.penalties: Counter[str] = Counter()
        self.lifecycle: Counter[str] = Counter()
        self._journeys: set[str] = set()

    def counted(self, records: Iterable[tuple[int, InputRecord]]) -> Iterator[tuple[int, InputRecord]]:
        """Pass records on and count touchpoints; one that ends the reading, by lying after its end, does not count."""
        for found in records:
            yield found
            # Reached when the next one is asked for, so not behind the one that ended it.
            if isinstance(found[1], Touchpoint):
                self.touchpoints += 1

    def add(self, effects: Effects) -> None:
        """Take what one record, or a batch of them, brought about; for most records that is little."""
        for abandonment in effects.abandonments:
            self.abandonments[abandonment.abandonment_reason] += 1
            self.penalties[abandonment.abandonment_reason] += abandonment.total_penalty_micros
        for said in effects.lifecycle:
            self.lifecycle[said.kind] += 1
        if effects.changed:
            self._journeys.update(effects.changed)
        counts = effects.counts
        self.applied += counts.applied
        if counts.late or counts.duplicate or counts.refused or counts.dead:
            self.late += counts.late
            self.duplicate += counts.duplicate
            self.refused += counts.refused
            self.dead += counts.dead

    def show(self, console: Console, *, bad_lines: int | None = None) -> None:
        """Print the table; `bad_lines` is None for a topic, which has dead letters in their place."""
        table = Table(title="replay", title_justify="left", show_edge=False)
        for heading in ("", "count", "penalty in dollars"):
            table.add_column(heading, justify="right" if heading else "left")
        table.add_row("journeys", f"{len(self._journeys):,}")
        if bad_lines is None:
            records = self.applied + self.late + self.duplicate + self.refused
            table.add_row("records of journeys", f"{records:,}", end_section=True)
        else:
            table.add_row("touchpoints", f"{self.touchpoints:,}", end_section=True)
        for reason in REASONS:
            if self.abandonments[reason]:
                table.add_row(reason, f"{self.abandonments[reason]:,}", format_dollars(self.penalties[reason]))
        count, penalty = self.abandonments.total(), self.penalties.total()
        table.add_row("abandonments", f"{count:,}", format_dollars(penalty), end_section=True)
        for name, count in (
            ("conversions", self.lifecycle["converted"]),
            ("returns", self.lifecycle["returned"]),
            ("late touchpoints", self.late),
            ("duplicates", self.duplicate),
            ("refused", self.refused),
            ("dead letters", self.dead) if bad_lines is None else ("bad lines", bad_lines),
        ):
            table.add_row(name, f"{count:,}")
        console.print(table)
