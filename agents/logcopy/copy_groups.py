"""Which partitions of a new topic get the records of which partitions of an old one. Pure."""

from __future__ import annotations

from math import gcd
from typing import NamedTuple


class CopyGroup(NamedTuple):
    """Old partitions, and all new ones to which their records go: no other old partition has records for these."""

    sources: tuple[int, ...]
    targets: tuple[int, ...]

    @property
    def is_exact(self) -> bool:
        """Whether the new partitions get the very punctuations of the old one: it is the only one."""
        return len(self.sources) == 1


def copy_groups(old_count: int, new_count: int, *, is_placed: bool = True) -> list[CopyGroup]:
    """Groups for a log of `old_count` partitions that is copied into `new_count`.

    A key in the old partition p lies in a new partition that leaves the same remainder by their greatest common
    divisor. `is_placed` says that it does lie in p: not so after partitions were added to a log in use.
    """
    step = gcd(old_count, new_count) if is_placed else 1
    return [
        CopyGroup(tuple(range(first, old_count, step)), tuple(range(first, new_count, step))) for first in range(step)
    ]
