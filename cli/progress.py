"""How far a command has come: a bar on standard error, on terminals only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_SHOWN_EVERY_SECONDS: Final = 0.1
Advance: TypeAlias = Callable[[int, int | None], None]


@contextmanager
def progress_bar(doing: str) -> Iterator[Advance]:
    """Show a bar while the block runs; it gets a function that takes how many are done, and of how many."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    if not console.is_terminal:
        yield lambda done, of: None  # noqa: ARG005 - called for every record, with nobody to look
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
