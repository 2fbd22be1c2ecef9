"""Where the table of a CSV file begins: exports put titles, dates and remarks in front of the header."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

DELIMITERS: Final = (",", ";", "\t", "|")
LOOKED_AT: Final = 30
"""Lines that are looked at."""
_MOST_TITLES: Final = 20
_FEWEST_COLUMNS: Final = 3
_FIELDS: Final = "#Fields:"
"""Of the extended log format of the W3C, which names its columns in a remark."""


class CsvHead(NamedTuple):
    """How a table begins. `skipped` lines are in front of its header, or of its rows where `names` are told."""

    skipped: int = 0
    names: tuple[str, ...] | None = None
    delimiter: str | None = None
    """None: the one that cuts the first line into the most cells."""


def csv_head(lines: Sequence[str]) -> CsvHead:
    """Find the beginning among the first lines of a file.

    A line in front of a table is one cell in front of lines that agree on three or more. A first line with too few or
    too many cells is none: it is a header that does not fit its rows, and an error.
    """
    lines = [line.rstrip("\r\n") for line in lines[:LOOKED_AT]]
    if lines and lines[0].startswith("#"):
        found = _w3c(lines)
        if found is not None:
            return found
    count = 0
    while count < min(_MOST_TITLES, len(lines) - 2) and _is_title(lines[count], lines[count + 1 :]):
        count += 1
    return CsvHead(count)


def delimiter_of(line: str) -> str:
    """The delimiter that cuts a line into the most cells; a comma where none does."""
    return max(DELIMITERS, key=lambda one: len(cells_of(line, one)))


def cells_of(line: str, delimiter: str) -> list[str]:
    """Cells of one line."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return [line]


def _w3c(lines: Sequence[str]) -> CsvHead | None:
    remarks = next((place for place, line in enumerate(lines) if not line.startswith("#")), len(lines))
    named = [line for line in lines[:remarks] if line.startswith(_FIELDS)]
    if not named:
        return None
    delimiter = "\t" if remarks < len(lines) and "\t" in lines[remarks] else " "
    return CsvHead(remarks, tuple(named[-1].removeprefix(_FIELDS).split()), delimiter)


def _is_title(line: str, behind: Sequence[str]) -> bool:
    """Whether a line is no part of the table that the lines behind it make."""
    said = [one for one in behind if one.strip()]
    if not said:
        return False
    delimiter = max(DELIMITERS, key=lambda one: sum(len(cells_of(line, one)) for line in said))
    widths = Counter(len(cells_of(one, delimiter)) for one in said)
    width, times = widths.most_common(1)[0]
    filled = [cell for cell in cells_of(line, delimiter) if cell.strip()]
    return len(filled) <= 1 and width >= _FEWEST_COLUMNS and times >= 2
