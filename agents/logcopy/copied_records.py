"""How a copied record says where it was copied from, and how far a copy has come by that.

Each record of a copy has a header with its old partition and offset. A copy that was killed finds there what it has
written, so that it writes nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import ClockCorrected, Punctuation

COPIED_FROM: Final = "copied-from"
"""Header of a copied record: partition:offset in the old log."""


def origin_header(partition: int, offset: int) -> tuple[str, bytes]:
    """Header that names a record of the old log."""
    return COPIED_FROM, f"{partition}:{offset}".encode()


def origin_of(headers: Iterable[tuple[str, bytes]]) -> tuple[int, int] | None:
    """Old partition and offset that headers name; None for a record that is no copy."""
    for name, value in headers:
        if name == COPIED_FROM:
            partition, _, offset = value.decode().partition(":")
            return int(partition), int(offset)
    return None


@dataclass(slots=True)
class Copied:
    """What one partition of the new topic holds."""

    last: dict[int, int] = field(default_factory=dict)
    """By old partition, the greatest offset that was copied. Each old partition is copied in its order."""
    clock: int | None = None
    """Greatest punctuation since the last correction of the clock, in milliseconds."""
    records: int = 0
    others: int = 0
    """Records that are no copies."""
    repeated: int = 0
    """Copies of a record that was copied before: two copies were under way at once."""

    def has(self, partition: int, offset: int) -> bool:
        """Whether a record of the old log is there, or stood for nothing here."""
        return offset <= self.last.get(partition, -1)

    def take(self, records: Sequence[Any], codec: Codec) -> None:
        """Take the next records of the partition, aiokafka's ConsumerRecord."""
        for record in records:
            self.records += 1
            origin = origin_of(record.headers)
            if origin is None:
                self.others += 1
                continue
            partition, offset = origin
            if record.key is None:
                self._note_time(record.value, codec)
            elif self.has(partition, offset):
                self.repeated += 1
            self.last[partition] = max(offset, self.last.get(partition, -1))

    def _note_time(self, value: bytes, codec: Codec) -> None:
        try:
            decoded = codec.decode_input(value)
        except InvalidRecordError:
            return
        if isinstance(decoded, ClockCorrected):
            self.clock = decoded.at
        elif isinstance(decoded, Punctuation):
            self.clock = decoded.at if self.clock is None else max(self.clock, decoded.at)
