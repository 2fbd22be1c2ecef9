"""A batch: the records of one fetch of one partition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from journeys.schemas.codec import HEADER_BYTES


class Batch:
    """Records of one fetch of one partition, at least one, and how many seeks back there were before it.

    `fetched_from` is the position at which it began, of the first fetch behind a seek back; else None.
    `is_all` says that nothing was known to be behind it when it was fetched.
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

    def heads(self) -> set[bytes]:
        """First bytes of the values, which name their schemas."""
        heads = getattr(self.records, "heads", None)
        if heads is not None:  # records as they lie are quicker asked than gone through
            return set(heads(HEADER_BYTES))
        return {record.value[:HEADER_BYTES] for record in self.records if record.value is not None}

    def clear(self) -> None:
        """Let the records go; the offsets stay."""
        self.records = ()
