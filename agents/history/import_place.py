"""Where an import stands: each record of it has a header that names the import, the line and the place in it.

An import that was broken off finds there how far it has come in each partition, so that it writes nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from journeys.agents.files.source_file import SourceFile
    from journeys.agents.kafka.log_end import LogEnd

IMPORT: Final = "import"
"""Header of an imported record: import:line:place:clock."""
_ID_BYTES: Final = 8
_READ_BYTES: Final = 1 << 20


class ImportPlace(NamedTuple):
    """Where a record stands in an import."""

    import_id: str
    line: int
    """Its number among the lines, as bad lines are told; of a punctuation, that of the record behind it."""
    place: int
    """Grows from record to record: twice the number of lines read, one less for the punctuation in front of a line."""
    clock: int | None
    """The partition's clock in front of the import (ms)."""

    def header(self) -> tuple[str, bytes]:
        """The header of a record that stands there."""
        clock = "" if self.clock is None else self.clock
        return IMPORT, f"{self.import_id}:{self.line}:{self.place}:{clock}".encode()


def place_of(headers: Iterable[tuple[str, bytes]]) -> ImportPlace | None:
    """What headers say; None for a record that was not imported so."""
    for name, value in headers:
        if name == IMPORT:
            parts = value.decode("ascii", "replace").split(":")
            if len(parts) == len(ImportPlace._fields) and parts[1].isdecimal() and parts[2].isdecimal():
                clock = parts[3].removeprefix("-")
                at = int(parts[3]) if clock.isdecimal() else None
                return ImportPlace(parts[0], int(parts[1]), int(parts[2]), at)
    return None


def last_place(end: LogEnd, import_id: str) -> ImportPlace | None:
    """Where an import stands in a partition; None where it has not begun.

    An import begins with a punctuation, so its last record is the last punctuation of the partition or behind it.
    """
    for record in reversed(end.records):
        place = place_of(record.headers)
        if place is not None and place.import_id == import_id:
            return place
    return None


def import_id_of(files: Sequence[SourceFile], options: Iterable[object]) -> str:
    """Name of an import, by what it reads and how: the same for the same files and options."""
    digest = blake2b(digest_size=_ID_BYTES)
    for option in options:
        digest.update(f"{option}\0".encode())
    for file in files:
        with file.open() as source:
            while piece := source.read(_READ_BYTES):
                digest.update(piece)
        digest.update(b"\0")
    return digest.hexdigest()
