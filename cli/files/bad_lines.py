"""Lines that are no valid records: their numbers are printed as they are met."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from journeys.agents.history.line_files import BadLine
from journeys.cli.output import print_error
from journeys.schemas.records import InputRecord

if TYPE_CHECKING:
    from journeys.agents.history.open_history import HistoryFile

_SHOWN: Final = 20


class BadLines:
    """Counts the bad lines of files; the first of them are printed at once, of the rest the number at the end."""

    def __init__(self, name: str, line: str = "line") -> None:
        self._name = name
        self._line = line
        self.count = 0

    def left_out(self, file: HistoryFile) -> Iterator[tuple[int, InputRecord]]:
        """Yield the file's valid records with their numbers."""
        for line in file.records():
            if isinstance(line, BadLine):
                self.add(line)
            else:
                yield line

    @staticmethod
    def good(file: HistoryFile) -> Iterator[tuple[int, InputRecord]]:
        """Yield the file's valid records with their numbers, and say nothing of the others."""
        return (line for line in file.records() if not isinstance(line, BadLine))

    def add(self, line: BadLine) -> None:
        """Count one bad line and print it."""
        self.add_of(line.file or self._name, line.number, str(line.error))

    def add_of(self, name: str, number: int, why: str) -> None:
        """Count one of a part that has a name of its own, such as a partition, and print it."""
        self.count += 1
        if self.count <= _SHOWN:
            print_error(f"{name}: {self._line} {number}: {why}")

    def close(self) -> None:
        """Print how many more there were than were printed."""
        if self.count > _SHOWN:
            print_error(f"{self._name}: and {self.count - _SHOWN:,} more bad {self._line}s")
