"""Fetched records as aiokafka's C code makes them, without a ConsumerRecord of eleven fields around each.

Making those is nine tenths of what a fetch costs. All else of a fetch stays aiokafka's own: checksums, control
batches, aborted transactions, records in front of the position.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher


class RawPartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka publishes no types
    """Gives records with `offset`, `key`, `value`, `headers`, `timestamp`, `timestamp_type`; no topic, no partition."""

    _records_iterator: Iterator[Any]

    def __iter__(self) -> Iterator[Any]:
        """Spare the caller a step in Python for each record."""
        return self._records_iterator

    def _consumer_record(self, tp: Any, record: Any) -> Any:  # noqa: ARG002  (aiokafka's signature)
        return record


def fetch_raw_records() -> None:
    """Make every consumer of this process give raw records; a worker's process is all its own."""
    fetcher.PartitionRecords = RawPartitionRecords
