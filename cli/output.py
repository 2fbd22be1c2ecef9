"""What commands print: results on stdout, notes and errors on stderr.

Every text passes `printable` on its way out, so that no id, reason or error text of somebody else moves a terminal's
cursor. `cli/screen.py` does the same for tables. Nothing else in this package writes to a stream.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from journeys.schemas.printable import printable, printable_lines

PROGRAM: Final = "journeys"


def print_line(text: str = "") -> None:
    """Print one line of a result."""
    print(printable(text))


def print_lines(text: str) -> None:
    """Print a result of several lines, such as TOML."""
    print(printable_lines(text.removesuffix("\n")))


def print_json(document: Any) -> None:
    """Print the one JSON document of --json: ASCII, so that nothing in it moves a cursor either."""
    print(json.dumps(document, indent=2, allow_nan=False))


def print_note(text: str, *, quiet: bool) -> None:
    """Print one line about what is going on, or has been done, to stderr; nothing if `quiet` (-q)."""
    if not quiet:
        print_error(text)


def print_error(text: str) -> None:
    """Print one line about what is wrong to stderr."""
    print(f"{PROGRAM}: {printable(text)}", file=sys.stderr)
