"""Batches given whole hold the records that aiokafka's own reader finds in them, and lead to the same position."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.agents.worker.ports.batch import Batch
from journeys.schemas.topics import JOURNEY_EVENTS
from tests.fixtures.examples import examples
from tests.fixtures.left_out import left_out
from tests.fixtures.made_batches import HEADER_BYTES, Marker, batches, markers, signed, wire, wire_batch

pytest.importorskip("journeys.engine", reason=left_out("engine"))
from journeys.agents.worker.transport.record_batches import (
    WholeBatch,
    WholeBatches,
    WholeFetchResult,
    WholePartitionRecords,
)
from journeys.engine import Records

_TP = TopicPartition(JOURNEY_EVENTS, 0)
_ISOLATION = st.sampled_from([fetcher.READ_UNCOMMITTED, fetcher.READ_COMMITTED])
_MOST_CALLS = 1000
Kinds = tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]


class Reading(NamedTuple):
    """All that a consumer sees of a fetch: records, position, and the error that ends it."""

    records: list[tuple[Any, ...]]
    position: int
    error: str | None


def _fields(record: Any) -> tuple[Any, ...]:
    headers = [tuple(header) for header in record.headers]
    return (record.offset, record.timestamp, record.timestamp_type, record.key, record.value, headers)


def _read(
    kinds: Kinds,
    fetched: bytes,
    position: int,
    aborted: Sequence[tuple[int, int]],
    isolation: int,
    most: Sequence[int | None],
) -> Reading:
    """Read a fetch as aiokafka's fetcher does, at most so many records with each call."""
    memory_records, partition_records, fetch_result = kinds
    state = SimpleNamespace(paused=False, position=position)
    state.consumed_to = lambda to: setattr(state, "position", to)
    batches_ = memory_records(fetched)
    if not batches_.has_next():
        return Reading([], position, f"{batches_.size_in_bytes()} bytes without a whole batch")
    records = partition_records(_TP, batches_, list(aborted), position, None, None, True, isolation)
    assignment = SimpleNamespace(active=True, state_value=lambda tp: state)  # noqa: ARG005  (its name)
    result = fetch_result(_TP, assignment=assignment, partition_records=records, backoff=0)
    found: list[Any] = []
    for call in range(_MOST_CALLS):
        if not result.has_more():
            return Reading(found, state.position, None)
        wanted = most[call % len(most)]
        try:
            got = result.getall(wanted)
        except Exception as error:
            return Reading(found, state.position, type(error).__name__)
        assert wanted is None or len(got) <= wanted
        found += map(_fields, got)
    raise AssertionError("it has no end")


_AIOKAFKA = (MemoryRecords, fetcher.PartitionRecords, fetcher.FetchResult)


_OURS: Kinds = (WholeBatches, WholePartitionRecords, WholeFetchResult)
"""Classes that stand in for aiokafka's."""


def _records_of(batch: bytes | bytearray, from_offset: int = 0) -> Any:
    fetched = bytes(batch)
    found = Records()
    for piece in WholeBatch(DefaultRecordBatch(fetched), fetched, 0, len(fetched)):
        found.extend(piece.records(from_offset))
    return found


@settings(max_examples=examples(2_000), deadline=None)
@given(
    made=st.lists(batches | markers, max_size=6),
    position=st.integers(0, 60),
    aborted=st.lists(st.tuples(st.sampled_from([7, 8]), st.integers(0, 40)), max_size=3),
    isolation=_ISOLATION,
    most=st.lists(st.none() | st.integers(1, 7), min_size=1, max_size=4),
    cut=st.integers(0, 200) | st.just(0),
    damaged=st.none() | st.integers(0, 5),
)
def test_batches_as_they_lie_hold_what_aiokafka_finds(
    made: list[Any],
    position: int,
    aborted: list[tuple[int, int]],
    isolation: int,
    most: list[int | None],
    cut: int,
    damaged: int | None,
) -> None:
    """Any codec, holes, transactions, markers, wrong checksums, a cut tail, a position in the middle, any portions."""
    lying, _ = wire(made)
    if damaged is not None and damaged < len(lying):
        lying[damaged][-1] ^= 1
    whole = b"".join(lying)
    fetched = whole[: max(0, len(whole) - cut)]
    expected = _read(_AIOKAFKA, fetched, position, aborted, isolation, most)
    assert _read(_OURS, fetched, position, aborted, isolation, most) == expected


@settings(max_examples=examples(2_000), deadline=None)
@given(made=batches, changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=3))
def test_what_is_damaged_under_a_right_checksum_is_never_read_as_something_else(
    made: Any, changes: list[tuple[int, int]]
) -> None:
    """Changed bytes are an error, or what aiokafka's reader in Python makes of them; never a crash."""
    batch, _ = wire_batch(made._replace(codec=0), 0)
    for at, value in changes:
        place = HEADER_BYTES - 4 + at
        if place < len(batch):
            batch[place] = value
    fetched = bytes(signed(batch, 0))
    try:
        ours = list(map(_fields, _records_of(fetched)))
    except Exception:
        return
    try:
        expected = _ascending(_DefaultRecordBatchPy(fetched))
    except (
        CorruptRecordException
    ) as error:  # the name of a header, which decides nothing: ours takes what stands for it
        assert "UnicodeDecodeError" in str(error)  # noqa: PT017  (either there is an error, or there are records)
        return
    assert ours == [_fields(record) for record in expected]


def _ascending(records: Any) -> list[Any]:
    """Records that aiokafka's loop gives out: those behind the one before."""
    found: list[Any] = []
    for record in records:
        if record.offset >= (found[-1].offset + 1 if found else 0):
            found.append(record)
    return found


@settings(max_examples=examples(500), deadline=None)
@given(made=batches.filter(lambda made: made.records), epoch=st.integers(0, 3))
def test_a_batch_names_the_same_schemas_and_offsets_either_way(made: Any, epoch: int) -> None:
    """Undecoded batches give the prefixes of their values at once; of other batches each record is asked."""
    batch, _ = wire_batch(made, 0)
    fetched = bytes(batch)
    lying = Batch(_records_of(fetched), epoch, None)
    objects = Batch(list(DefaultRecordBatch(fetched)), epoch, None)
    assert lying.schema_prefixes() == objects.schema_prefixes()
    assert (len(lying), lying.first_offset, lying.last_offset) == (
        len(objects),
        objects.first_offset,
        objects.last_offset,
    )
    assert [_fields(record) for record in lying] == [_fields(record) for record in objects]


@settings(max_examples=examples(500), deadline=None)
@given(made=st.lists(batches, max_size=4), cut=st.integers(0, 12), place=st.integers(-25, 25))
def test_records_are_a_sequence(made: list[Any], cut: int, place: int) -> None:
    """Of several batches, and of both parts of a split: single ones, from behind, and none too many."""
    lying, _ = wire(made)
    records, objects = Records(), []
    for batch in lying:
        records.extend(_records_of(batch))
        objects += map(_fields, DefaultRecordBatch(bytes(batch)))
    assert (len(records), list(map(_fields, records))) == (len(objects), objects)
    behind = records.split_off(cut)
    for found, expected in ((records, objects[:cut]), (behind, objects[cut:])):
        assert (len(found), list(map(_fields, found))) == (len(expected), expected)
        if -len(expected) <= place < len(expected):
            assert _fields(found[place]) == expected[place]
        else:
            with pytest.raises(IndexError):
                found[place]


# The older of the two has no lz4 (3).
@pytest.mark.parametrize(("magic", "codec"), [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (1, 3)])
def test_batches_of_older_formats_are_read_by_aiokafka(magic: int, codec: int) -> None:
    """A broker that has not been converted still gives them."""
    builder = LegacyRecordBatchBuilder(magic, codec, 1 << 20)
    for offset in range(5):
        builder.append(offset, timestamp=1_760_000_000_000 + offset, key=b"key", value=b"value-%d" % offset)
    fetched = bytearray(builder.build())
    if codec:
        fetched[:8] = (4).to_bytes(8, "big")  # as the broker does: the last one within
    arguments = (bytes(fetched), 2, [], fetcher.READ_UNCOMMITTED, [2])
    expected = _read(_AIOKAFKA, *arguments)
    assert expected.records
    assert _read(_OURS, *arguments) == expected


def test_a_fetch_of_nothing_but_markers_moves_the_position() -> None:
    """Or it would be fetched again for ever."""
    lying, _ = wire([Marker(7, is_abort=False), Marker(8, is_abort=True)])
    arguments = (b"".join(lying), 0, [], fetcher.READ_UNCOMMITTED, [None])
    assert _read(_OURS, *arguments) == _read(_AIOKAFKA, *arguments) == Reading([], 2, None)


def test_aiokafka_makes_records_where_it_is_known_to() -> None:
    """The classes that are replaced are the ones that fetches use, and ask what the replacements answer."""
    fetch = inspect.getsource(fetcher.Fetcher._proc_fetch_request)
    assert "records = MemoryRecords(part_data[-1])" in fetch
    assert "partition_records = PartitionRecords(" in fetch
    assert "self._records[tp] = FetchResult(" in fetch
    assert "res_or_error.getall(max_records)" in inspect.getsource(fetcher.Fetcher.fetched_records)
    loop = inspect.getsource(fetcher.PartitionRecords._unpack_records)
    assert "for record in next_batch:" in loop
    assert "record.offset < self.next_fetch_offset" in loop
    assert "self._consumer_record(tp, record)" in loop
    assert "self.next_fetch_offset = next_batch.next_offset" in loop
