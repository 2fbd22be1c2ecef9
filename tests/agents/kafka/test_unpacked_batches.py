"""Batches unpacked in pieces hold the records that aiokafka finds in them, and take no more memory than pieces do."""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from struct import pack_into
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.agents.kafka import batch_pieces, unpacked_batches
from journeys.agents.kafka.unpacked_batches import BoundedFetchResult, UnpackedBatches, UnpackingConsumer
from journeys.schemas.codec import MAX_RECORD_BYTES, Codec
from journeys.schemas.cut_value import CutValue
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from tests.fixtures.examples import examples
from tests.fixtures.made_batches import CODECS, HEADER_BYTES, batches, markers, signed, wire

ROOT = Path(__file__).parent.parent.parent.parent
IS_BUILT = find_spec("journeys.engine") is not None
_TP = TopicPartition(JOURNEY_EVENTS, 0)
_MIB = 1024 * 1024
Kinds = tuple[Any, Any, Any]
AIOKAFKA: Kinds = (MemoryRecords, fetcher.PartitionRecords, fetcher.FetchResult)
READERS: dict[str, Kinds] = {"reference": (UnpackedBatches, fetcher.PartitionRecords, BoundedFetchResult)}
if IS_BUILT:
    from journeys.agents.worker.transport import record_batches
    from journeys.agents.worker.transport.record_batches import WholeBatches, WholeFetchResult, WholePartitionRecords

    READERS["compiled"] = (WholeBatches, WholePartitionRecords, WholeFetchResult)


def read(kinds: Kinds, fetched: bytes, most: int | None = None, position: int = 0) -> list[list[Any]]:
    """Records of a fetch as a consumer gets them, those of each call in a list."""
    state = SimpleNamespace(paused=False, position=position)
    state.consumed_to = lambda to: setattr(state, "position", to)
    records = kinds[1](_TP, kinds[0](fetched), [], position, None, None, True, fetcher.READ_UNCOMMITTED)
    assignment = SimpleNamespace(active=True, state_value=lambda _: state)
    result = kinds[2](_TP, assignment=assignment, partition_records=records, backoff=0)
    found = []
    while result.has_more():
        found.append(list(result.getall(most)))
        assert not found[-1] or state.position > found[-1][-1].offset
    return found


def fields(record: Any) -> tuple[Any, ...]:
    """What a reader has of a record."""
    headers = [tuple(header) for header in record.headers]
    return record.offset, record.timestamp, record.timestamp_type, record.key, record.value, headers


@pytest.fixture(params=READERS)
def kinds(request: pytest.FixtureRequest) -> Kinds:
    """Each reader."""
    return READERS[request.param]


def _set_piece_bytes(patch: pytest.MonkeyPatch, size: int) -> None:
    for module in (batch_pieces, unpacked_batches):
        patch.setattr(module, "PIECE_BYTES", size)
    if IS_BUILT:
        patch.setattr(record_batches, "PIECE_BYTES", size)


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=examples(400), deadline=None)
@given(
    made=st.lists(batches | markers, max_size=5),
    size=st.integers(350, 2_000),
    most=st.none() | st.integers(1, 7),
    position=st.integers(0, 30),
)
def test_pieces_hold_what_the_batch_does(
    reader: str, made: list[Any], size: int, most: int | None, position: int
) -> None:
    """Any codec, holes, markers, a position in the middle, any portions, pieces of a record or two."""
    fetched = b"".join(wire(made)[0])
    expected = [fields(record) for call in read(AIOKAFKA, fetched, most, position) for record in call]
    with pytest.MonkeyPatch.context() as patch:
        _set_piece_bytes(patch, size)
        found = read(READERS[reader], fetched, most, position)
    assert [fields(record) for call in found for record in call] == expected
    assert most is None or all(len(call) <= most for call in found)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_record_longer_than_a_piece_comes_with_its_beginning(kinds: Kinds, codec: int) -> None:
    """Size and hash are those of the whole, and its neighbours are whole."""
    value = bytes(range(256)) * 40_000
    sent = [(b"a", b"before"), (b"k" * 100_000, value), (b"b", b"behind"), (None, value[1:]), (b"c", None)]
    found = [record for call in read(kinds, _batch(codec, sent)) for record in call]
    assert [record.offset for record in found] == [0, 1, 2, 3, 4]
    assert [found[at].value for at in (0, 2, 4)] == [b"before", b"behind", None]
    for at, (key, whole) in ((1, sent[1]), (3, sent[3])):
        cut = found[at].value
        assert isinstance(cut, CutValue)
        assert cut == whole[: MAX_RECORD_BYTES + 1]
        assert (cut.whole_bytes, cut.whole_sha256) == (len(whole), sha256(whole).hexdigest())
        assert found[at].key == (None if key is None else key[: 64 * 1024])


def test_a_record_that_was_cut_is_the_dead_letter_that_the_whole_one_is() -> None:
    """Nobody can tell from it how it was read."""
    value = b"\x00" * (9 * _MIB)
    fetched = _batch(4, [(b"j", value)])
    letters = []
    for reader in (AIOKAFKA, *READERS.values()):
        records = [record for call in read(reader, fetched) for record in call]
        letters.append(Processor(Partition()).process_log(records, Codec()).dead_letters)
    assert letters[0][0].value_size == len(value)
    assert letters == [letters[0]] * len(letters)


def test_a_long_record_with_a_valid_value_is_taken(kinds: Kinds) -> None:
    """Its headers make it long, and nobody reads those."""
    found = [
        record for call in read(kinds, _batch(4, [(b"j", b"value")], [("h", b"x" * 10_000_000)])) for record in call
    ]
    assert [(record.key, record.value, list(record.headers)) for record in found] == [(b"j", b"value", [])]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_header_whose_name_is_no_text_stops_nobody(kinds: Kinds, codec: int) -> None:
    """Clients in C may write any bytes; aiokafka raises UnicodeDecodeError at it, each time it is read."""
    fetched = _batch(codec, [(b"a", b"1"), (b"b", b"2")], [("nam\u00e9", b"x"), ("good", None)], is_spoiled=True)
    found = [record for call in read(kinds, fetched) for record in call]
    assert [(record.offset, record.key, record.value) for record in found] == [(0, b"a", b"1"), (1, b"b", b"2")]
    assert {tuple(record.headers) for record in found} == {(("\ufffd", b"x"), ("good", None))}


def test_thousands_of_headers(kinds: Kinds) -> None:
    """They are read, and the record is what it is without them."""
    many = [(f"h{number}", b"") for number in range(50_000)]
    found = [record for call in read(kinds, _batch(3, [(b"a", b"1")], many)) for record in call]
    assert [(record.value, len(record.headers)) for record in found] == [(b"1", len(many))]


@pytest.mark.parametrize("codec", [1, 2, 3, 4])
def test_what_does_not_unpack_is_damaged(kinds: Kinds, codec: int) -> None:
    """Cut off, or other bytes, under a right checksum: an error that names the batch, no crash."""
    whole = bytearray(_batch(codec, [(b"a", b"1" * 1_000)]))
    for spoiled in (whole[:-7], whole[: HEADER_BYTES + 3], whole[:HEADER_BYTES] + b"\xfe\xff\xff\xff\x7f" * 9):
        pack_into(">i", spoiled, 8, len(spoiled) - 12)
        with pytest.raises(CorruptRecordException):
            read(kinds, bytes(signed(spoiled, 0)))


def test_the_consumer_unpacks_in_pieces_and_others_do_not() -> None:
    """A trainer's process may have consumers of its own."""
    consumer = UnpackingConsumer.__new__(UnpackingConsumer)
    made = fetcher.Fetcher.__new__(fetcher.Fetcher)
    consumer._fetcher = made
    names = consumer._fetcher._proc_fetch_request.__func__.__globals__
    assert (names["MemoryRecords"], names["FetchResult"]) == (UnpackedBatches, BoundedFetchResult)
    assert fetcher.Fetcher._proc_fetch_request.__globals__["MemoryRecords"] is MemoryRecords
    assert fetcher.FetchResult is not BoundedFetchResult


_MEMORY = """
import json, resource, sys
from tests.agents.kafka.test_unpacked_batches import READERS, bomb, read_through
reader, codec, records, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
fetched = bomb(codec, records, size)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = read_through(READERS[reader], fetched)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"packed": len(fetched), "found": found, "mib": (after - before) / 1024}))
"""


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("codec", "records", "size"),
    [
        pytest.param(4, 800, 3 * _MIB // 2, id="zstd, 800 records of 1.5 MiB"),
        pytest.param(1, 300, _MIB, id="gzip, 300 records of a MiB"),
        pytest.param(3, 300, _MIB, id="lz4, 300 records of a MiB"),
        pytest.param(2, 40, 2 * _MIB, id="snappy, 40 records of 2 MiB"),
        pytest.param(4, 1, 600 * _MIB, id="zstd, one record of 600 MiB"),
        pytest.param(4, 600_000, 100, id="zstd, 600,000 small records"),
    ],
)
def test_row_4_a_batch_that_unpacks_to_gigabytes_is_read_in_bounded_memory(
    reader: str, codec: int, records: int, size: int
) -> None:
    """50 KB of zstd that unpack to 800 x 1.5 MiB took 2.7 GB."""
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, reader, *map(str, (codec, records, size))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["found"] == records
    assert found["packed"] < records * size / 15
    assert found["mib"] < 150


def read_through(kinds: Kinds, fetched: bytes) -> int:
    """Read a fetch as a worker does, and keep nothing; gives how many records there were."""
    state = SimpleNamespace(paused=False, position=0)
    state.consumed_to = lambda to: setattr(state, "position", to)
    records = kinds[1](_TP, kinds[0](fetched), [], 0, None, None, True, fetcher.READ_UNCOMMITTED)
    assignment = SimpleNamespace(active=True, state_value=lambda _: state)
    result = kinds[2](_TP, assignment=assignment, partition_records=records, backoff=0)
    count = 0
    while result.has_more():
        count += len(result.getall(10_000))
    return count


def bomb(codec: int, records: int, size: int) -> bytes:
    """A batch of so many records, each of so many zeros, made without holding them all."""
    import pyarrow as pa  # noqa: PLC0415  (the child measures what reading takes)

    from tests.fuzz.foreign_cases import number  # noqa: PLC0415  (the same)

    def record(index: int) -> tuple[bytes, int, bytes]:
        head = b"\x00\x00" + number(index) + b"\x01" + number(size)
        return number(len(head) + size + 1) + head, size, b"\x00"

    out = pa.BufferOutputStream()
    if codec == 2:
        whole = b"".join(head + b"\x00" * zeros + tail for head, zeros, tail in map(record, range(records)))
        out.write(pa.Codec("snappy").compress(whole))
    else:
        with pa.CompressedOutputStream(out, {1: "gzip", 3: "lz4", 4: "zstd"}[codec]) as packed:
            zeros = b"\x00" * min(size, _MIB)
            for index in range(records):
                head, left, tail = record(index)
                packed.write(head)
                while left:
                    packed.write(zeros[:left])
                    left -= len(zeros[:left])
                packed.write(tail)
    body = out.getvalue().to_pybytes()
    batch = bytearray(_batch(0, [(None, b"")])[:HEADER_BYTES]) + body
    batch[22] = codec
    pack_into(">i", batch, 8, len(batch) - 12)
    pack_into(">i", batch, 23, records - 1)
    pack_into(">i", batch, 57, records)
    return bytes(signed(batch, 0))


def _batch(
    codec: int,
    records: list[tuple[bytes | None, bytes | None]],
    headers: list[tuple[str, bytes | None]] | None = None,
    *,
    is_spoiled: bool = False,
) -> bytes:
    """A batch as a producer writes it; spoiled, a character of the headers' names is in Latin-1."""
    builder = DefaultRecordBatchBuilder(2, 0 if is_spoiled else codec, 0, -1, -1, 0, 1 << 30)
    for offset, (key, value) in enumerate(records):
        builder.append(offset, 1_760_000_000_000 + offset, key, value, headers or [])
    batch = bytearray(builder.build())
    if is_spoiled:
        body = bytes(batch[HEADER_BYTES:]).replace("é".encode(), b"\xe9\xe8")
        batch[HEADER_BYTES:] = _packed(codec, body)
        batch[22] = codec
        pack_into(">i", batch, 8, len(batch) - 12)
    return bytes(signed(batch, 0))


def _packed(codec: int, body: bytes) -> bytes:
    from aiokafka import codec as codecs  # noqa: PLC0415  (of one test)

    pack = (bytes, codecs.gzip_encode, codecs.snappy_encode, codecs.lz4_encode, codecs.zstd_encode)[codec]
    return bytes(pack(body))
