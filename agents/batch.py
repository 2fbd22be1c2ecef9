"""A batch: the records of one fetch of one partition."""

from __future__ import annotations

from typing import Any


class Batch(list[Any]):
    """Records of one fetch of one partition, and how many seeks back there were before it.

    `fetched_from` is the position at which it began, of the first fetch behind a seek back; else None.
    `is_all` says that nothing was known to be behind it when it was fetched.
    """

    __slots__ = ("epoch", "fetched_from", "is_all")

    def __init__(self, records: list[Any], epoch: int, fetched_from: int | None, *, is_all: bool = True) -> None:
        super().__init__(records)
        self.epoch = epoch
        self.fetched_from = fetched_from
        self.is_all = is_all
