"""The counts of a replay, as a table and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from rich.table import Table

from journeys.agents.history.log_order import LogOrder
from journeys.cli.output import print_note
from journeys.cli.screen import new_table
from journeys.schemas.money import format_dollars
from journeys.schemas.records import REASONS, InputRecord, Touchpoint
from journeys.streams.compiled.backtest_tally import assumed_micros
from journeys.streams.partition.effects import Effects


class ReplaySummary:
    """Counts while a replay runs. Penalties are in micros. `order` is that of a file's records."""

    def __init__(self, order: LogOrder | None = None) -> None:
        self._order = order
        self.touchpoints = 0
        self.applied = self.late = self.duplicate = self.refused = self.dead = 0
        self.abandonments: Counter[str] = Counter()
        self.penalties: Counter[str] = Counter()
        self.opportunities: Counter[str] = Counter()
        self.assumed: Counter[str] = Counter()
        self.lifecycle: Counter[str] = Counter()
        self._journeys: set[str] = set()

    def counted(self, records: Iterable[tuple[int, InputRecord]]) -> Iterator[tuple[int, InputRecord]]:
        """Pass records on and count touchpoints; one that ends the reading, by lying after its end, does not count."""
        for numbered in records:
            yield numbered
            # Reached when the next one is asked for, so not after the one that ended it.
            if isinstance(numbered[1], Touchpoint):
                self.touchpoints += 1

    def add(self, effects: Effects) -> None:
        """Count the effects of one record, or of a batch of them."""
        for abandonment in effects.abandonments:
            self.abandonments[abandonment.abandonment_reason] += 1
            self.penalties[abandonment.abandonment_reason] += abandonment.total_penalty_micros
            self.opportunities[abandonment.abandonment_reason] += abandonment.opportunity_cost_micros
            self.assumed[abandonment.abandonment_reason] += assumed_micros(abandonment)
        for record in effects.lifecycle:
            self.lifecycle[record.kind] += 1
        if effects.changed:
            self._journeys.update(effects.changed)
        counts = effects.counts
        self.applied += counts.applied
        if counts.late or counts.duplicate or counts.refused or counts.dead:
            self.late += counts.late
            self.duplicate += counts.duplicate
            self.refused += counts.refused
            self.dead += counts.dead

    @property
    def records(self) -> int:
        """Records of journeys."""
        return self.applied + self.late + self.duplicate + self.refused

    @property
    def open(self) -> int:
        """Episodes that the history leaves open."""
        begun = self.lifecycle["started"] + self.lifecycle["returned"]
        return begun - self.lifecycle["converted"] - self.abandonments.total()

    def tell_conversions_alone(self, *, quiet: bool) -> None:
        """Print a note if each touchpoint is a conversion: then nothing can be abandoned."""
        if self.lifecycle["converted"] and self.lifecycle["converted"] == self.applied:
            print_note(
                "each touchpoint is a conversion, and a conversion ends its journey at once: nothing can be abandoned; "
                "read orders together with the visits or clicks before them",
                quiet=quiet,
            )

    def json(self, bad_lines: int | None) -> dict[str, Any]:
        """The summary for --json; `bad_lines` as in `table`."""
        return {
            "journeys": len(self._journeys),
            "records": self.records,
            "touchpoints": None if bad_lines is None else self.touchpoints,
            "abandonments": {reason: self.abandonments[reason] for reason in REASONS},
            "penalty_micros": {reason: self.penalties[reason] for reason in REASONS},
            "total_penalty_micros": self.penalties.total(),
            "opportunity_micros": self.opportunities.total(),
            "assumed_micros": self.assumed.total(),
            "conversions": self.lifecycle["converted"],
            "returns": self.lifecycle["returned"],
            "open": self.open,
            "behind": None if self._order is None else self._order.behind,
            "late": self.late,
            "duplicates": self.duplicate,
            "refused": self.refused,
            "dead_letters": self.dead if bad_lines is None else None,
            "bad_lines": bad_lines,
        }

    def _money(self, reason: str | None = None) -> Iterator[str]:
        """Penalty, on spend, opportunity, and what of that rests on defaults: in dollars, of a reason or of all."""
        kinds = (self.penalties, self.opportunities, self.assumed)
        penalty, opportunity, assumed = (kind.total() if reason is None else kind[reason] for kind in kinds)
        return map(format_dollars, (penalty, penalty - opportunity, opportunity, assumed))

    def table(self, bad_lines: int | None) -> Table:
        """The summary as a table; `bad_lines` is None for a topic, which has dead letters in their place."""
        headings = ("count", "penalty in dollars", "on spend", "opportunity", "of that by defaults")
        table = new_table("", *headings, title="replay", right=headings)
        table.add_row("journeys", f"{len(self._journeys):,}")
        if bad_lines is None:
            table.add_row("records of journeys", f"{self.records:,}", end_section=True)
        else:
            table.add_row("touchpoints", f"{self.touchpoints:,}", end_section=True)
        for reason in REASONS:
            if self.abandonments[reason]:
                table.add_row(reason, f"{self.abandonments[reason]:,}", *self._money(reason))
        table.add_row("abandonments", f"{self.abandonments.total():,}", *self._money(), end_section=True)
        for name, count in (
            ("conversions", self.lifecycle["converted"]),
            ("returns", self.lifecycle["returned"]),
            ("still open", self.open),
            *([("behind the clock", self._order.behind)] if self._order is not None else []),
            ("late touchpoints", self.late),
            ("duplicates", self.duplicate),
            ("refused", self.refused),
            ("dead letters", self.dead) if bad_lines is None else ("bad lines", bad_lines),
        ):
            table.add_row(name, f"{count:,}")
        return table
