"""Lines that are no valid records, told with their numbers as they are met."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from journeys.agents.history.line_files import BadLine, LineFile
from journeys.cli.command_line import complain
from journeys.schemas.records import InputRecord

_SHOWN: Final = 20


class BadLines:
    """Counts the bad lines of a file; the first of them are told at once, the rest as a number at the end."""

    def __init__(self, name: str, line: str = "line") -> None:
        self._name = name
        self._line = line
        self.count = 0

    def left_out(self, file: LineFile) -> Iterator[tuple[int, InputRecord]]:
        """Yield the file's valid records with their numbers."""
        for found in file.records():
            if isinstance(found, BadLine):
                self.add(found.number, str(found.error))
            else:
                yield found

    def add(self, number: int, why: str) -> None:
        """Take one bad line."""
        self.add_of(self._name, number, why)

    def add_of(self, name: str, number: int, why: str) -> None:
        """Take one of a part of the whole that has a name of its own."""
        self.count += 1
        if self.count <= _SHOWN:
            complain(f"{name}: {self._line} {number}: {why}")

    def close(self) -> None:
        """Tell how many more there were than were shown."""
        if self.count > _SHOWN:
            complain(f"{self._name}: and {self.count - _SHOWN:,} more bad {self._line}s")
