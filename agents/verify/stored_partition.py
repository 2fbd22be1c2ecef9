"""One partition of the table as it is stored."""

from __future__ import annotations

from typing import NamedTuple

from journeys.streams.partition.state import Partition


class StoredPartition(NamedTuple):
    """A restored partition, and the policies and tombstones that are ahead of its own row.

    `ahead` has their input offsets by table key.
    """

    partition: Partition
    ahead: dict[bytes, int]
