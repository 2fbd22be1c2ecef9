"""Record batches as a broker gives them: of any codec, with holes, of transactions, control batches among them."""

from __future__ import annotations

from struct import pack, pack_into
from typing import Any, Final, NamedTuple

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from hypothesis import strategies as st

HEADER_BYTES: Final = 61
CODECS: Final = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_MAGIC: Final = 2
_TIMESTAMP_TYPE_BIT: Final = 0x08
_CONTROL_BIT: Final = 0x20
_LOG_APPEND_TIME: Final = 1_760_000_123_456
_FIRST_TIMESTAMP: Final = 1_760_000_000_000


class MadeRecord(NamedTuple):
    """A record, with how many offsets before it are left out and how much later it is than the first (ms)."""

    hole: int
    later: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


class MadeBatch(NamedTuple):
    """A batch; `hole` and `hole_behind` are offsets in front of it and at its end that have no records."""

    records: list[MadeRecord]
    codec: int
    hole: int
    hole_behind: int
    producer_id: int
    is_transactional: bool
    is_log_append_time: bool


class Marker(NamedTuple):
    """A control batch that ends the transaction of a producer."""

    producer_id: int
    is_abort: bool


_bytes = st.binary(max_size=40) | st.binary(min_size=120, max_size=140)
_records = st.builds(
    MadeRecord,
    hole=st.sampled_from([0, 0, 0, 1, 5, 100]),
    later=st.integers(-5, 1_000) | st.just(10**9),
    key=st.none() | _bytes,
    value=st.none() | _bytes,
    headers=st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=2),
)
_plain_records = _records.map(lambda record: record._replace(headers=[]))
_producers = st.sampled_from([-1, 7, 8])
batches = st.builds(
    MadeBatch,
    records=st.lists(_records, max_size=8) | st.lists(_plain_records, max_size=8),
    codec=st.sampled_from(list(CODECS.values())),
    hole=st.sampled_from([0, 0, 3]),
    hole_behind=st.sampled_from([0, 0, 2]),
    producer_id=_producers,
    is_transactional=st.booleans(),
    is_log_append_time=st.booleans(),
)
markers = st.builds(Marker, producer_id=st.sampled_from([7, 8]), is_abort=st.booleans())


def wire_batch(made: MadeBatch, base_offset: int) -> tuple[bytearray, int]:
    """Bytes of a batch, and the offset behind it."""
    codec = made.codec if made.records else 0  # compaction writes an empty batch, which is never compressed
    builder = _builder(codec, made.producer_id, is_transactional=made.is_transactional)
    offset = -1
    for record in made.records:
        offset += 1 + record.hole
        at = _FIRST_TIMESTAMP + record.later
        builder.append(offset, at, record.key, record.value, record.headers)
    batch = bytearray(builder.build())
    last = offset + made.hole_behind
    pack_into(">i", batch, 23, last)
    if made.is_log_append_time:
        batch[22] |= _TIMESTAMP_TYPE_BIT
        pack_into(">q", batch, 35, _LOG_APPEND_TIME)
    return signed(batch, base_offset), base_offset + last + 1


def wire_marker(marker: Marker, base_offset: int) -> tuple[bytearray, int]:
    """Bytes of a control batch, and the offset behind it."""
    builder = _builder(0, marker.producer_id, is_transactional=True)
    builder.append(0, _FIRST_TIMESTAMP, pack(">HH", 0, 0 if marker.is_abort else 1), b"\0" * 6, [])
    batch = bytearray(builder.build())
    batch[22] |= _CONTROL_BIT
    return signed(batch, base_offset), base_offset + 1


def wire(made: list[MadeBatch | Marker]) -> tuple[list[bytearray], list[int]]:
    """Bytes of batches one behind the other, and the offset of each."""
    found, bases, offset = [], [], 0
    for one in made:
        if isinstance(one, MadeBatch):
            offset += one.hole
        bases.append(offset)
        batch, offset = wire_marker(one, offset) if isinstance(one, Marker) else wire_batch(one, offset)
        found.append(batch)
    return found, bases


def signed(batch: bytearray, base_offset: int) -> bytearray:
    """Set the offset and the checksum that fits."""
    pack_into(">q", batch, 0, base_offset)
    pack_into(">I", batch, 17, calc_crc32c(bytes(batch[21:])))
    return batch


def _builder(codec: int, producer_id: int, *, is_transactional: bool) -> Any:
    return DefaultRecordBatchBuilder(
        magic=_MAGIC,
        compression_type=codec,
        is_transactional=int(is_transactional),
        producer_id=producer_id,
        producer_epoch=0,
        base_sequence=0,
        batch_size=1 << 20,
    )
