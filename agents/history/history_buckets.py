"""Splits a log of any length into buckets by journey, in memory up to a limit, then in temporary files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import pyarrow as pa

from journeys.agents.history.history_columns import HistoryBatch

if TYPE_CHECKING:
    from journeys.engine import Clock

MIB: Final = 2**20
_CODES: Final[dict[pa.DataType, Any]] = {
    pa.int64(): "q",
    pa.uint8(): "B",
    pa.uint32(): "I",
    pa.float64(): "d",
    pa.int8(): "b",
}
_LEAST, _MOST = 64, 1024


def view(array: pa.Array) -> memoryview:
    """Buffer of an array of numbers without nulls, not copied."""
    buffer = array.buffers()[1]
    numbers: memoryview = memoryview(b"" if buffer is None else buffer).cast("B").cast(_CODES[array.type])
    return numbers[array.offset : array.offset + len(array)]


def views(arrays: dict[str, pa.Array]) -> dict[str, memoryview]:
    """Buffers of several arrays, by name."""
    return {name: view(array) for name, array in arrays.items()}


def _text(array: pa.Array) -> tuple[memoryview, memoryview]:
    _, begins, text = array.buffers()
    rows = memoryview(begins).cast("B").cast("q")[array.offset : array.offset + len(array) + 1]
    return rows, memoryview(b"" if text is None else text).cast("B")


class HistoryBuckets:
    """Buckets of a log; a context manager, whose exit deletes the files.

    More than `held_bytes` in memory are written to files in the temporary folder. `size_bytes` is the size of the log,
    from which the number of buckets follows. `with_names` keeps the ids of journeys.
    """

    def __init__(self, size_bytes: int, held_bytes: int, *, with_names: bool) -> None:
        from journeys.engine import HistorySplitter  # noqa: PLC0415  (it may not be built)

        # A record takes about as many bytes here as in a file of lines. Two buckets at a time are in memory, thrice.
        self.count = min(_MOST, max(_LEAST, size_bytes // (held_bytes // 32 + 1)))
        self._held_bytes = held_bytes
        self._parts: list[list[bytes]] = [[] for _ in range(self.count)]
        self._bytes = 0
        self._folder: TemporaryDirectory[str] | None = None
        self._splitter = HistorySplitter(self.count, with_names)
        self.records = 0

    def fill(self, batches: Iterable[HistoryBatch]) -> Clock:
        """Add all batches of a log; gives its clock."""
        for batch in batches:
            if not len(batch.ids):
                continue
            requests: dict[str, Any] | None = None if batch.requests is None else views(batch.requests)
            segments = None if batch.segments is None else _text(batch.segments)
            self.records += len(batch.ids)
            journey_ids, ids = _text(batch.journey_ids), _text(batch.ids)
            self._add(self._splitter.add(journey_ids, ids, views(batch.numbers), requests, segments))
        self._add(self._splitter.finish())
        return self._splitter.take_clock()

    def take(self, number: int) -> bytes:
        """Contents of a bucket, which is then empty."""
        parts, self._parts[number] = self._parts[number], []
        if self._folder is not None:
            path = self._path(number)
            if path.exists():
                parts.insert(0, path.read_bytes())
                path.unlink()
        return b"".join(parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def _add(self, parts: list[bytes]) -> None:
        for bucket, part in zip(self._parts, parts, strict=True):
            if part:
                bucket.append(part)
                self._bytes += len(part)
        if self._bytes > self._held_bytes:
            self._spill()

    def _spill(self) -> None:
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="journeys-")
        for number, parts in enumerate(self._parts):
            with self._path(number).open("ab") as file:
                file.writelines(parts)
            parts.clear()
        self._bytes = 0

    def _path(self, number: int) -> Path:
        assert self._folder is not None
        return Path(self._folder.name) / str(number)
