"""What the demo prints: progress while it runs, as a table that is redrawn or as lines, and the summary."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Group
from rich.live import Live
from rich.styled import Styled

from journeys.agents.demo.demonstration import Demonstration
from journeys.agents.history.importer import ImportReport
from journeys.cli.output_tail import ends_of, output_tail
from journeys.cli.screen import Screen, new_table
from journeys.cli.views.watched import TOPICS, Watched
from journeys.schemas.instants import format_instant
from journeys.schemas.money import format_dollars
from journeys.schemas.records import REASONS

_DRAWN_EVERY_SECONDS: Final = 0.25
_PRINTED_EVERY_SECONDS: Final = 2.0


class DemoScreen:
    """Watches a demonstration's outputs and shows them."""

    def __init__(self, stage: Demonstration, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._stage = stage
        self._watched = Watched()
        self._read = 0
        self._live: Live | None = None
        self._screen: Screen | None = None
        self._printed_at = 0.0

    async def watch(self) -> None:
        """Read the output topics from their beginning, until cancelled."""
        starts = dict.fromkeys(await ends_of(self._stage.settings, TOPICS), 0)
        async for batch in output_tail(self._stage.settings, TOPICS, starts):
            self._read += len(batch)
            self._watched.add(batch)

    async def has_seen_all(self) -> bool:
        """Whether everything that is published by now has been read."""
        return self._read >= sum((await ends_of(self._stage.settings, TOPICS)).values())

    @contextmanager
    def drawn(self, screen: Screen) -> Iterator[None]:
        """Draw on a terminal; elsewhere print a line now and then; nothing if quiet."""
        if self._quiet:
            yield
            return
        self._screen = screen
        if not screen.is_interactive:
            yield
            return
        with Live(self._table(), console=screen, auto_refresh=False, transient=True) as self._live:
            yield

    async def draw(self) -> None:
        """Keep what is shown up to date, until cancelled."""
        while True:
            await asyncio.sleep(_DRAWN_EVERY_SECONDS)
            if self._live is not None:
                self._live.update(self._table(), refresh=True)
            elif self._screen is not None and time.monotonic() - self._printed_at >= _PRINTED_EVERY_SECONDS:
                self._printed_at = time.monotonic()
                self._screen.print(self._line())

    def print_summary(self, report: ImportReport, screen: Screen) -> None:
        """Print the counts of the run."""
        counts, penalties = self._watched.counts, self._watched.penalties
        headings = ("count", "penalty in dollars")
        table = new_table("", *headings, title="six months of journeys", right=headings)
        table.add_row("journeys", f"{self._stage.progress.journeys:,}")
        table.add_row("touchpoints and other records", f"{report.records:,}")
        table.add_row("punctuations", f"{report.punctuations:,}", end_section=True)
        for reason in REASONS:
            table.add_row(reason, f"{counts[reason]:,}", format_dollars(penalties[reason]))
        abandoned = sum(counts[reason] for reason in REASONS)
        table.add_row("abandonments", f"{abandoned:,}", format_dollars(penalties.total()), end_section=True)
        for name, kind in (
            ("conversions", "converted"),
            ("returns after abandonment", "returned"),
            ("extensions", "extended"),
            ("late touchpoints", "late_touchpoint"),
            ("refused", "refused"),
        ):
            table.add_row(name, f"{counts[kind]:,}")
        # An episode begins as started or returned, and ends converted or abandoned.
        still_open = counts["started"] + counts["returned"] - counts["converted"] - abandoned
        table.add_row("still open where the history ends", f"{still_open:,}")
        screen.print(table)

    def _line(self) -> str:
        counts = self._watched.counts
        reasons = ", ".join(f"{reason} {counts[reason]:,}" for reason in REASONS if counts[reason])
        return (
            f"{self._date()}  {self._stage.progress.records:,} records in; conversions {counts['converted']:,}, "
            f"returns {counts['returned']:,}; abandoned: {reasons or 'none yet'}"
        )

    def _date(self) -> str:
        clock = self._stage.progress.clock
        return "starting  " if clock is None else format_instant(clock)[:10]

    def _table(self) -> Group:
        progress = (
            f"{self._date()}   {self._stage.progress.records:,} records of {self._stage.progress.journeys:,} journeys"
        )
        return Group(Styled(progress, "bold"), "", self._watched.table())
