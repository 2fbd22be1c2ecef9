"""Tables: no cell is cut, and text from outside is shown as it is, neither as markup nor as control characters."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from typing import Any, Final, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from journeys.schemas.printable import printable

_PIPE_COLUMNS: Final = 1_000_000  # wider than any table: who reads from a pipe has no width
_USUAL_COLUMNS: Final = 80


class Screen(Console):
    """A console for tables, on stdout or stderr. NO_COLOR, TERM=dumb and COLUMNS mean what they mean elsewhere."""

    def __init__(self, file: TextIO | None = None, *, stderr: bool = False) -> None:
        stream = file or (sys.stderr if stderr else sys.stdout)
        super().__init__(
            file=file, stderr=stderr, width=_width(stream), markup=False, emoji=False, highlight=False, soft_wrap=True
        )

    def render_str(self, text: str, **options: Any) -> Text:
        """Text of a string that is to be shown; rich makes every cell, title and line by way of this."""
        return super().render_str(printable(text), **options)

    def on_broken_pipe(self) -> None:
        """Leave a reader that has gone to the command line, which knows the exit code; rich would end with 1."""
        raise BrokenPipeError


def _width(stream: TextIO) -> int | None:
    """Columns to draw in; None for a terminal that rich measures at each drawing."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns):
        return int(columns)
    if not stream.isatty():
        return _PIPE_COLUMNS
    if os.environ.get("TERM", "").lower() not in ("dumb", "unknown"):
        return None
    # Of a terminal without cursor movements rich assumes 80 columns, and would cut there.
    return os.get_terminal_size(stream.fileno()).columns or _USUAL_COLUMNS


def new_table(*columns: str, title: str | None = None, right: Collection[str] = ()) -> Table:
    """An empty table. Cells too wide for the screen are folded; columns in `right` are aligned there.

    Columns without any heading make a table without a header.
    """
    table = Table(title=title, title_justify="left", show_edge=False, show_header=any(columns))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table
