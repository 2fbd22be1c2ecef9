"""A changelog of open journeys, written as a worker writes it: schemas, rows, then each partition's own row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from journeys.agents.kafka.connection import producer
from journeys.agents.settings.settings import Settings
from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.schemas.partitioner import partition_of
from journeys.schemas.rows import journey_key
from journeys.schemas.topics import DEFAULT_PARTITION_COUNT, MAX_MESSAGE_BYTES, changelog_name
from journeys.streams.partition.changelog import stored_partition
from journeys.streams.partition.state import Partition
from journeys.streams.rule.policy import DEFAULT_POLICY
from journeys.streams.rule.row import HASH_BYTES, UNKNOWN_OFFSET, Row, stored_columns
from journeys.streams.stored.schema_rows import missing_schemas

_BATCH_BYTES = 512 * 1024
_CHUNK = 5_000
_USERS = 50_000
_TOUCHPOINTS = 7
BEFORE_ALL_INPUT: Final = UNKNOWN_OFFSET
"""Offset of rows that all records of the input come behind."""


def open_row(number: int, now: int) -> Row:
    """Row of an open journey of seven touchpoints, none of whose deadlines comes within a day."""
    row = Row(f"journey-{number:012d}", DEFAULT_POLICY)
    row.open = True
    row.offset = row.record_offset = number
    row.user_id = f"user-{number % _USERS}"
    row.started_at = now - number % 1_000_000
    row.last_activity_at = row.last_touchpoint_at = row.started_at + 1_000
    row.state = ("AWARE", "CONSIDERING", "INTENT")[number % 3]
    row.touchpoint_count = _TOUCHPOINTS
    row.total_cost_micros = 1_234_567 + number
    row.recent_ids = (number * 2_654_435_761).to_bytes(HASH_BYTES * _TOUCHPOINTS, "big")
    row.conversion_probability = 0.3
    row.conversion_value_micros = 90_000_000
    row.derive()
    return row


async def write_open_journeys(settings: Settings, numbers: range, offset: int | None = None) -> int:
    """Append their rows to the changelog of the settings' application; gives the bytes of a row with its key.

    The input topic may be empty: the partitions' own rows stand in front of it. `offset` is what each row stands for
    in place of its number, which lies ahead of input that is there.
    """
    codec = Codec()
    changelog = changelog_name(settings.application_id)
    now = now_ms()
    size = 0
    async with producer(settings, max_batch_size=_BATCH_BYTES, max_request_size=MAX_MESSAGE_BYTES) as client:
        writers = [_Writer(client, changelog, number) for number in range(DEFAULT_PARTITION_COUNT)]
        for writer in writers:
            for schema in missing_schemas((), codec):
                await writer.append(schema.key, schema.value)
        for chunk in _chunks(numbers):
            rows = [open_row(number, now) for number in chunk]
            if offset is not None:
                for row in rows:
                    row.offset = row.record_offset = offset
            for row, value in zip(rows, codec.encode_columns("JourneyRow", stored_columns(rows)), strict=True):
                journey_id = row.journey_id.encode()
                size = len(value) + len(journey_id) + 1
                await writers[partition_of(journey_id, len(writers))].append(journey_key(row.journey_id), value)
        for number, writer in enumerate(writers):
            partition = Partition(number, len(writers))
            partition.clock, partition.time_source = now, "live"
            own = stored_partition(partition, codec)
            await writer.append(own.key, own.value)
            await writer.end()
    return size


class _Writer:
    """Full record batches to one partition."""

    def __init__(self, client: Any, topic: str, partition: int) -> None:
        self._client = client
        self._topic = topic
        self._partition = partition
        self._batch = client.create_batch()
        self._sent: list[Any] = []

    async def append(self, key: bytes, value: bytes | None) -> None:
        if self._batch.append(key=key, value=value, timestamp=None) is None:
            await self._send()
            assert self._batch.append(key=key, value=value, timestamp=None) is not None

    async def end(self) -> None:
        await self._send()
        for acknowledgement in self._sent:
            await acknowledgement

    async def _send(self) -> None:
        self._sent.append(await self._client.send_batch(self._batch, self._topic, partition=self._partition))
        self._batch = self._client.create_batch()


def _chunks(numbers: range) -> Iterator[range]:
    for begin in range(numbers.start, numbers.stop, _CHUNK):
        yield range(begin, min(begin + _CHUNK, numbers.stop))
