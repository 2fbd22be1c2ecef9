"""What a replay came to, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Table

from schemas.money import format_dollars
from schemas.records import REASONS, InputRecord, PolicyChanged, Punctuation, Touchpoint
from streams.effects import Counts, Effects


class ReplaySummary:
    """Counts while a replay runs. Penalties are in micros."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.touchpoints = 0
        self.abandonments: Counter[str] = Counter()
        self.penalties: Counter[str] = Counter()
        self.lifecycle: Counter[str] = Counter()
        self._journeys: set[str] = set()

    def counted(self, records: Iterable[tuple[int, InputRecord]]) -> Iterator[tuple[int, InputRecord]]:
        """Pass records on and count them; the one that ends the reading, by lying after its end, does not count."""
        journeys = self._journeys
        for number, record in records:
            yield number, record
            # Reached when the next one is asked for, so not behind the one that ended it.
            if isinstance(record, Touchpoint):
                self.touchpoints += 1
            elif isinstance(record, Punctuation | PolicyChanged):
                continue
            journeys.add(record.journey_id)

    def add(self, effects: Effects) -> None:
        """Take what one record brought about."""
        for abandonment in effects.abandonments:
            self.abandonments[abandonment.abandonment_reason] += 1
            self.penalties[abandonment.abandonment_reason] += abandonment.total_penalty_micros
        for said in effects.lifecycle:
            self.lifecycle[said.kind] += 1
        self.counts.add(effects.counts)

    def show(self, console: Console, bad_lines: int | None) -> None:
        """Print the table; `bad_lines` is None for a topic, which has dead letters instead."""
        table = Table(title="Replay", title_justify="left", show_edge=False)
        for heading, justify in (("", "left"), ("count", "right"), ("penalty in dollars", "right")):
            table.add_column(heading, justify=justify)  # type: ignore[arg-type]  # a Literal of rich
        counts = self.counts
        table.add_row("journeys", f"{len(self._journeys):,}")
        table.add_row("touchpoints", f"{self.touchpoints:,}", end_section=True)
        for reason in REASONS:
            if self.abandonments[reason]:
                table.add_row(reason, f"{self.abandonments[reason]:,}", format_dollars(self.penalties[reason]))
        table.add_row(
            "abandonments",
            f"{self.abandonments.total():,}",
            format_dollars(self.penalties.total()),
            end_section=True,
        )
        for name, count in (
            ("conversions", self.lifecycle["converted"]),
            ("returns", self.lifecycle["returned"]),
            ("late touchpoints", counts.late),
            ("duplicates", counts.duplicate),
            ("refused", counts.refused),
            ("dead letters", counts.dead) if bad_lines is None else ("bad lines", bad_lines),
        ):
            table.add_row(name, f"{count:,}")
        console.print(table)
