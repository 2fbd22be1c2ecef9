"""Raw records are those that aiokafka gives, but for the object around each."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from agents.raw_records import RawPartitionRecords

_TP = TopicPartition("journey-events", 0)
_MAGIC = 2
_FIELDS = ("offset", "key", "value", "headers", "timestamp", "timestamp_type")


def _batch(first_offset: int, count: int) -> bytearray:
    builder = DefaultRecordBatchBuilder(
        magic=_MAGIC,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 20,
    )
    for index in range(count):
        headers = [("name", b"value")] if index % 3 == 0 else []
        builder.append(index, 1_760_000_000_000 + index, b"key-%d" % index, b"value-%d" % index, headers)
    batch = builder.build()
    batch[:8] = first_offset.to_bytes(8, "big")  # as the broker does; the checksum does not cover it
    return bytearray(batch)


def _records(kind: type[Any], batches: bytes, fetch_offset: int) -> tuple[list[tuple[Any, ...]], int]:
    records = kind(_TP, MemoryRecords(batches), [], fetch_offset, None, None, True, fetcher.READ_UNCOMMITTED)
    found = [tuple(getattr(record, field) for field in _FIELDS) for record in records]
    return [(*fields[:3], list(fields[3]), *fields[4:]) for fields in found], records.next_fetch_offset


@pytest.mark.parametrize("fetch_offset", [0, 4, 10, 12, 107])
def test_raw_records_say_what_aiokafkas_say(fetch_offset: int) -> None:
    """Over several batches with a hole between, from the first record on, and from the middle of each."""
    batches = bytes(_batch(0, 10) + _batch(12, 5) + _batch(100, 9))
    expected = _records(fetcher.PartitionRecords, batches, fetch_offset)
    assert expected[0]
    assert _records(RawPartitionRecords, batches, fetch_offset) == expected


def test_a_batch_that_is_damaged_is_not_given() -> None:
    """The checksum is looked at as before."""
    batch = _batch(0, 10)
    batch[-3] ^= 1
    with pytest.raises(CorruptRecordException):
        _records(RawPartitionRecords, bytes(batch), 0)


def test_aiokafka_makes_records_where_it_is_known_to() -> None:
    """The class that is replaced is the one that fetches use, and asks the one method for each record."""
    assert "PartitionRecords(" in inspect.getsource(fetcher.Fetcher._proc_fetch_request)
    assert "self._consumer_record(tp, record)" in inspect.getsource(fetcher.PartitionRecords._unpack_records)
