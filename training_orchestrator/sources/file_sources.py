"""Feed sources that are files: a replay's outputs, and the store of an embedded manager."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final, TypeVar

from journeys.schemas.codec import Codec
from journeys.schemas.instants import parse_instant
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import JourneyAbandoned, JourneyLifecycle
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from training_orchestrator.api.answers import StoreUnavailableError
from training_orchestrator.embedded.local_log import FOR_FEEDS, store_connection
from training_orchestrator.sources.published_outputs import Place, PublishedRecord

_BATCH_RECORDS: Final = 2_000
_POLL_SECONDS: Final = 0.2
_STORE: Final = ("store", 0)
_INSTANTS: Final = (
    *("started_at", "last_touchpoint_at", "abandoned_at", "detected_at", "occurred_at", "timeout_deadline_at"),
)
_KINDS: Final = {JOURNEY_ABANDONMENTS: "JourneyAbandoned", JOURNEY_LIFECYCLE: "JourneyLifecycle"}
Result = TypeVar("Result")


class ReplayFileSource:
    """Outputs of `journeys replay --output ABANDONMENTS --lifecycle LIFECYCLE`; the line number is the offset."""

    def __init__(self, abandonments: Path, lifecycle: Path | None = None) -> None:
        self.name = f"files:{abandonments.name}"
        self.continues = frozenset({self.name})
        self._files: list[tuple[str, Path, type[JourneyAbandoned] | type[JourneyLifecycle]]] = [
            (JOURNEY_ABANDONMENTS, abandonments, JourneyAbandoned)
        ]
        if lifecycle is not None:
            self._files.append((JOURNEY_LIFECYCLE, lifecycle, JourneyLifecycle))

    async def records(self, positions: Mapping[Place, int], *, follow: bool) -> AsyncIterator[list[PublishedRecord]]:
        """Read the lines; raises StoreUnavailableError for a missing file, a line that is no output, or `follow`."""
        if follow:
            raise StoreUnavailableError(f"{self.name}: a replay's files do not grow; read them with follow=False")
        for topic, path, kind in self._files:
            lines = _lines(path, kind, (topic, 0), positions.get((topic, 0), 1))
            while batch := await asyncio.to_thread(_next_batch, lines):
                yield batch

    async def end_positions(self) -> dict[Place, int]:
        """Behind the last line."""

        def count(path: Path) -> int:
            with _opened(path) as source:
                return sum(1 for _ in source) + 1

        return {(topic, 0): await asyncio.to_thread(count, path) for topic, path, _ in self._files}

    async def topic_ids(self) -> dict[str, str]:
        """None: a file is no topic."""
        return {}

    async def positions_since(self, at: int) -> dict[Place, int]:  # noqa: ARG002  (a file has no index of times)
        """The beginning."""
        return {}


class StoreSource:
    """Outputs in the file of an embedded manager; any number of processes may read, also while the manager runs."""

    def __init__(self, path: Path) -> None:
        self.name = "store"
        self.continues = frozenset({"store", "redis"})
        self.place = str(path.absolute())
        self._path = path
        self._codec = Codec()

    async def records(self, positions: Mapping[Place, int], *, follow: bool) -> AsyncIterator[list[PublishedRecord]]:
        """Read the outputs in the order in which they were stored; raises StoreUnavailableError without a store."""
        position = positions.get(_STORE, 0)
        while True:
            batch = await self._query(partial(self._read, position))
            if batch:
                position = batch[-1].offset + 1
            elif not follow:
                return
            else:
                await asyncio.sleep(_POLL_SECONDS)
            yield batch

    async def end_positions(self) -> dict[Place, int]:
        """Behind the last output."""
        query = "SELECT coalesce(max(sequence), -1) + 1 FROM output"
        return {_STORE: await self._query(lambda connection: int(connection.execute(query).fetchone()[0]))}

    async def topic_ids(self) -> dict[str, str]:
        """None: a file is no topic."""
        return {}

    async def positions_since(self, at: int) -> dict[Place, int]:
        """Found by the index of `detected_at`."""
        query = "SELECT min(sequence) FROM output WHERE topic IN (?, ?) AND detected_at >= ?"
        first = await self._query(lambda connection: connection.execute(query, (*_KINDS, at)).fetchone()[0])
        return await self.end_positions() if first is None else {_STORE: first}

    async def _query(self, query: Callable[[sqlite3.Connection], Result]) -> Result:
        def run() -> Result:
            # A connection for each query: it belongs to its thread.
            with store_connection(self._path) as connection:
                return query(connection)

        return await asyncio.to_thread(run)

    def _read(self, start: int, connection: sqlite3.Connection) -> list[PublishedRecord]:
        stored = connection.execute(
            f"SELECT sequence, topic, value FROM output WHERE sequence >= ? AND kind IN ({FOR_FEEDS}) "  # noqa: S608
            "ORDER BY sequence LIMIT ?",
            (start, _BATCH_RECORDS),
        ).fetchall()
        return list(decoded(self._codec, ((_STORE, sequence, topic, value) for sequence, topic, value in stored)))


def decoded(codec: Codec, stored: Iterator[tuple[Place, int, str, bytes]] | Any) -> Iterator[PublishedRecord]:
    """Decode outputs given as place, offset, topic and wire bytes; consecutive ones of one topic together."""
    for topic, group in groupby(stored, lambda each: each[2]):
        same_topic = list(group)
        kind = JourneyAbandoned if topic == JOURNEY_ABANDONMENTS else JourneyLifecycle
        fields = codec.decode_all_fields(_KINDS[topic], [value for *_, value in same_topic])
        for (place, offset, _, _), each in zip(same_topic, fields, strict=True):
            yield PublishedRecord(place, offset, kind(**each))


def _next_batch(lines: Iterator[PublishedRecord]) -> list[PublishedRecord]:
    return list(islice(lines, _BATCH_RECORDS))


def _lines(
    path: Path, kind: type[JourneyAbandoned] | type[JourneyLifecycle], place: Place, start: int
) -> Iterator[PublishedRecord]:
    codec = Codec()
    with _opened(path) as source:
        for number, line in enumerate(source, start=1):
            if number < start:
                continue
            try:
                fields: dict[str, Any] = dict.fromkeys(kind._fields) | json.loads(line)
                for name in _INSTANTS:
                    if fields.get(name) is not None:
                        fields[name] = parse_instant(fields[name], name)
                record = kind(**fields)
                codec.encode(record)  # fails for a field of another type than its schema's
            except (ValueError, TypeError, KeyError, InvalidRecordError) as error:
                raise StoreUnavailableError(f"{path}: line {number} is not a {kind.__name__}: {error}") from error
            yield PublishedRecord(place, number, record)


def _opened(path: Path) -> Any:
    try:
        return path.open(encoding="utf-8")
    except OSError as error:
        raise StoreUnavailableError(f"{path}: {error.strerror or error}") from error
