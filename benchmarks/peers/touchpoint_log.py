"""The input as bytes, made once: every system reads the same ones."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from journeys.agents.kafka.connection import producer
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.instants import EARLIEST, HOUR_MS
from journeys.schemas.partitioner import partition_of
from journeys.schemas.records import Punctuation, Touchpoint
from journeys.schemas.topics import DEFAULT_PARTITION_COUNT, JOURNEY_EVENTS

_PUNCTUATION_KEY: Final = None
_BATCH_BYTES: Final = 256 * 1024
_WRITTEN_BY: Final = "benchmark"


class LogEntry(NamedTuple):
    """A record of the log: a touchpoint with its journey's id, or a punctuation without a key."""

    key: bytes | None
    value: bytes


class TouchpointLog:
    """Touchpoints in order of time with a punctuation for each hour, as an import of history writes them.

    Only the worker needs the punctuations: the peers take their time from the touchpoints and are spared them.
    """

    def __init__(self, touchpoints: Sequence[Touchpoint], partition_count: int = DEFAULT_PARTITION_COUNT) -> None:
        self.touchpoints = len(touchpoints)
        self._partitions: list[list[LogEntry]] = [[] for _ in range(partition_count)]
        codec = Codec()

        @cache
        def partition(journey_id: str) -> int:
            return partition_of(journey_id.encode(), partition_count)

        def punctuate(at: int) -> None:
            entry = LogEntry(_PUNCTUATION_KEY, codec.encode(Punctuation(at, "simulated", _WRITTEN_BY)))
            for entries in self._partitions:
                entries.append(entry)

        punctuate(EARLIEST)  # says whose time this is
        clock = EARLIEST
        for touchpoint, value in zip(touchpoints, codec.encode_all(touchpoints), strict=True):
            if touchpoint.occurred_at - clock >= HOUR_MS:
                clock = touchpoint.occurred_at
                punctuate(clock)
            entry = LogEntry(touchpoint.journey_id.encode(), value)
            self._partitions[partition(touchpoint.journey_id)].append(entry)
        punctuate(touchpoints[-1].occurred_at)

    @property
    def punctuations(self) -> int:
        """Records of the log that are no touchpoints."""
        return sum(map(len, self._partitions)) - self.touchpoints

    @property
    def touchpoint_bytes(self) -> int:
        """Bytes of all values of touchpoints."""
        return sum(
            len(entry.value) for entries in self._partitions for entry in entries if entry.key is not _PUNCTUATION_KEY
        )

    def records(self, partition: int, *, punctuated: bool) -> list[LogEntry]:
        """Key and value of each record of a partition, in its order."""
        return [entry for entry in self._partitions[partition] if punctuated or entry.key is not _PUNCTUATION_KEY]

    def end_offsets(self, *, punctuated: bool) -> dict[int, int]:
        """Offsets behind the last record, by partition, of a topic that holds the log and nothing else."""
        ends = {number: len(self.records(number, punctuated=punctuated)) for number in range(len(self._partitions))}
        return {number: end for number, end in ends.items() if end}

    async def write(self, settings: Settings, *, punctuated: bool) -> None:
        """Write into a topic that is there, all acknowledged."""
        async with producer(settings, max_batch_size=_BATCH_BYTES) as client:
            for number in range(len(self._partitions)):
                await _write(client, number, self.records(number, punctuated=punctuated))


async def _write(client: Any, partition: int, entries: Sequence[LogEntry]) -> None:
    acknowledgements = []
    batch = client.create_batch()
    for entry in entries:
        if batch.append(timestamp=None, key=entry.key, value=entry.value) is None:
            acknowledgements.append(await client.send_batch(batch, JOURNEY_EVENTS, partition=partition))
            batch = client.create_batch()
            batch.append(timestamp=None, key=entry.key, value=entry.value)
    acknowledgements.append(await client.send_batch(batch, JOURNEY_EVENTS, partition=partition))
    await asyncio.gather(*acknowledgements)
