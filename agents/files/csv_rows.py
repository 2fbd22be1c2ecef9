"""Rows of CSV with the numbers of their lines, and what is wrong with those that are no rows.

A quote that is never closed costs its own row and no other: the reading goes on with the line behind the one in
which it opened.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from typing import IO, Final, NamedTuple

from journeys.agents.files.csv_head import LOOKED_AT, cells_of, csv_head, delimiter_of
from journeys.agents.files.unreadable import UnreadableFileError

# A quoted cell may go over lines; one that is never closed would go to the end of the file.
_LINES_OF_A_ROW: Final = 1_000
_CHARACTERS_OF_A_ROW: Final = 2**20


class BadRow(NamedTuple):
    """A line, or several, that make no row."""

    line: int
    """Number of the line in which it begins."""
    why: str


class _TooLongError(Exception):
    """A row goes on for longer than any honest one."""


class CsvTable:
    """A table in CSV: `names` of its columns, then `rows`. Lines are numbered from 1, the header's included.

    Without `names` the header gives them; what stands in front of it (csv_head) is left out. Raises UnreadableFileError
    for a header with two columns of one name.
    """

    def __init__(
        self, path: str, source: IO[str], *, delimiter: str | None = None, names: Sequence[str] | None = None
    ) -> None:
        csv.field_size_limit(_CHARACTERS_OF_A_ROW)
        self._lines = _Lines(source)
        head = csv_head(self._lines.peek(LOOKED_AT))
        self._lines.skip(head.skipped)
        first = next(iter(self._lines.peek()), "")
        self.delimiter = delimiter or head.delimiter or delimiter_of(first)
        self._reader = csv.reader(self._lines, delimiter=self.delimiter, strict=True)
        self.header_line = None if names is not None else head.skipped + (head.names is None)
        """Number of the line that names the columns; None where they are told."""
        if names is None:
            names = self._header(path) if head.names is None else _named(path, head.skipped, head.names)
        self.names = list(names)

    def first_cells(self) -> list[str]:
        """Cells of the first line, which is not read by this."""
        return cells_of(next(iter(self._lines.peek()), "").rstrip("\r\n"), self.delimiter)

    def rows(self) -> Iterator[tuple[int, list[str]] | BadRow]:
        """Yield each row with the number of its first line, its cells filled up to the columns' number; or a BadRow."""
        lines, width = self._lines, len(self.names)
        while True:
            lines.begin()
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except (csv.Error, _TooLongError) as error:
                yield BadRow(lines.first, _why(error, lines.count))
                lines.give_back_all_but_the_first()
                continue
            if len(cells) == width:
                yield lines.first, cells
            elif not cells:
                continue  # an empty line
            elif lines.count > 1:
                # A quote was opened by mistake, and another one much later closed it.
                yield BadRow(lines.first, f"{len(cells)} cells in {lines.count} lines, {width} columns: an open quote?")
                lines.give_back_all_but_the_first()
            elif len(cells) > width:
                yield BadRow(lines.first, f"{len(cells)} cells, but the header has {width} columns")
            else:
                yield lines.first, cells + [""] * (width - len(cells))

    def _header(self, path: str) -> list[str]:
        self._lines.begin()
        try:
            cells = next(self._reader, [])
        except (csv.Error, _TooLongError) as error:
            raise UnreadableFileError(
                f"{path}: line {self._lines.first}: no header: {_why(error, self._lines.count)}"
            ) from None
        return _named(path, self._lines.first, cells)


def _named(path: str, line: int, cells: Sequence[str]) -> list[str]:
    """Names of columns. Raises UnreadableFileError."""
    names = [cell.strip() or f"column{number}" for number, cell in enumerate(cells, start=1)]
    for name in names:
        if names.count(name) > 1:
            raise UnreadableFileError(f"{path}: line {line}: two columns have the name {name!r}: rename one of them")
    return names


def looks_like_a_header(line: str, delimiter: str) -> bool:
    """Whether a first line names columns: no cell is a number, none but the first is empty, no two are alike."""
    cells = [cell.strip() for cell in cells_of(line, delimiter)]
    others = cells[1:]
    return all(cell and not cell.lstrip("+-").replace(".", "").replace(":", "").isdigit() for cell in others) and (
        len(set(cells)) == len(cells) and not cells[0].lstrip("+-").replace(".", "").isdigit()
    )


def _why(error: Exception, lines: int) -> str:
    if isinstance(error, _TooLongError) and lines == 1:
        return f"longer than {_CHARACTERS_OF_A_ROW} characters"
    if isinstance(error, _TooLongError) or "unexpected end" in str(error):
        return f"a quote is opened and not closed within {lines} lines"
    return f"not CSV: {error}"


class _Lines:
    """Lines of a file, which can be given back: an iterator for csv.reader."""

    def __init__(self, source: IO[str]) -> None:
        self._source = source
        self._returned: deque[str] = deque()
        self._row: list[str] = []
        self._characters = 0
        self._number = 0
        self.first = 0
        """Number of the line in which the present row begins."""

    @property
    def count(self) -> int:
        """Lines of the present row."""
        return len(self._row)

    def peek(self, count: int = 1) -> list[str]:
        """The next lines, which stay; fewer at the end."""
        while len(self._returned) < count and (line := self._source.readline(_CHARACTERS_OF_A_ROW)):
            self._returned.append(line)
        return [self._returned[place] for place in range(min(count, len(self._returned)))]

    def skip(self, count: int) -> None:
        """Leave the next lines out."""
        for _ in range(count):
            self._returned.popleft()
        self._number += count

    def begin(self) -> None:
        """A row begins with the next line."""
        self._row = []
        self._characters = 0
        self.first = self._number + 1

    def give_back_all_but_the_first(self) -> None:
        """Read the lines of the present row once more, behind its first."""
        self._returned.extendleft(reversed(self._row[1:]))
        self._number = self.first

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else self._source.readline(_CHARACTERS_OF_A_ROW)
        if not line:
            raise StopIteration
        row = self._row
        row.append(line)
        self._number += 1
        if len(line) == _CHARACTERS_OF_A_ROW:  # cut off: the rest of the line is left out
            while (rest := self._source.readline(_CHARACTERS_OF_A_ROW)) and rest[-1] not in "\r\n":
                pass
            raise _TooLongError
        if len(row) > 1:
            self._characters += len(line)
            if len(row) > _LINES_OF_A_ROW or self._characters > _CHARACTERS_OF_A_ROW:
                raise _TooLongError
        return line
