"""The records that are published from now on, decoded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from journeys.agents.kafka.log_reader import LogBatch, open_log, tail
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError


async def ends_of(settings: Settings, topics: Sequence[str]) -> dict[tuple[str, int], int]:
    """Offsets after the last record, by topic and partition. Raises as `journeys.agents.kafka.log_reader.open_log`."""
    ends: dict[tuple[str, int], int] = {}
    for topic in topics:
        async with open_log(settings, topic, catalog=None) as reader:
            ends |= {(topic, partition): offset for partition, offset in reader.end_offsets.items()}
    return ends


async def output_tail(
    settings: Settings, topics: Sequence[str], start_offsets: Mapping[tuple[str, int], int]
) -> AsyncIterator[list[Any]]:
    """Yield batches of records of output topics from `start_offsets` on, without end.

    A record that can't be read stands as its InvalidRecordError. Raises as `journeys.agents.kafka.log_reader.tail`,
    RegistryUnreachableError.
    """
    codec = Codec()
    async for batch in tail(settings, topics, catalog=codec.catalog, start_offsets=start_offsets):
        yield _decoded(codec, batch)


def _decoded(codec: Codec, batch: LogBatch) -> list[Any]:
    decoded: list[Any] = []
    for record in batch.records:
        try:
            decoded.append(codec.decode(record.value))
        except InvalidRecordError as error:
            decoded.append(error)
    return decoded
