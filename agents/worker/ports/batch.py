"""A batch: the records of one fetch of one partition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from journeys.schemas.codec import HEADER_BYTES


class Batch:
    """Records of one fetch of one partition, at least one.

    `epoch` counts the seeks back before the fetch. `fetched_from` is the position of the first fetch after a seek
    back, else None. `is_all`: no further records were known to wait when this was fetched.
    """

    __slots__ = ("epoch", "fetched_from", "first_offset", "is_all", "last_offset", "records")

    def __init__(self, records: Sequence[Any], epoch: int, fetched_from: int | None, *, is_all: bool = True) -> None:
        self.records = records
        self.first_offset: int = records[0].offset
        self.last_offset: int = records[-1].offset
        self.epoch = epoch
        self.fetched_from = fetched_from
        self.is_all = is_all

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.records)

    def schema_prefixes(self) -> set[bytes]:
        """Distinct first bytes of the values, which name their schemas."""
        prefixes = getattr(self.records, "prefixes", None)
        if prefixes is not None:  # undecoded record batches give them faster than a loop over their records
            return set(prefixes(HEADER_BYTES))
        return {record.value[:HEADER_BYTES] for record in self.records if record.value is not None}

    def clear(self) -> None:
        """Release the records; the offsets stay."""
        self.records = ()
