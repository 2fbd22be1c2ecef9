"""How far a command has come: a bar on standard error, on terminals only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final, TypeAlias

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from journeys.cli.screen import Screen

_SHOWN_EVERY_SECONDS: Final = 0.1
Advance: TypeAlias = Callable[[int, int | None], None]


@contextmanager
def progress_bar(doing: str, *, quiet: bool) -> Iterator[Advance]:
    """Show a bar while the block runs, unless `quiet`; yields a function of how many are done, and of how many."""
    console = Screen(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    if quiet or not console.is_interactive:
        yield lambda done, of: None  # noqa: ARG005 - called for every record, and nothing shows it
        return
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(doing, total=None)
        shown_at = 0.0

        def advance(done: int, of: int | None) -> None:
            nonlocal shown_at
            now = monotonic()
            if now - shown_at > _SHOWN_EVERY_SECONDS:
                shown_at = now
                progress.update(task, completed=done, total=of)

        yield advance
