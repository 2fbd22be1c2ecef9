"""Marks: how records are read, against a reading that was written without looking at the one in use."""

from __future__ import annotations

import json

import pytest

from journeys.schemas.catalog import Catalog
from journeys.schemas.codec import MAX_RECORD_BYTES, Codec, plain_codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.marks import LONGEST_MARK_BYTES, MARK_HEADER, Marks, decode_mark, mark_value, marks_among
from journeys.schemas.records import OffsetSkipped, SchemaDecided
from journeys.streams.partition.changelog import Restore, stored_rows
from journeys.streams.partition.log_entries import log_entries
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from tests.fixtures.examples import examples
from tests.fixtures.marked_logs import AT, OWN, foreign, marked, marks_of, naive_cover, plain, seeded_marked_log
from tests.fixtures.topic_contents import touch
from tests.fixtures.wire_record import WireRecord

CODEC = Codec()
_LOGS = 300


def _naive(record: WireRecord, cover: object) -> object:
    """Record as the mark that covers it says, read with a catalog that knows nothing else; None for a dead letter."""
    catalog = Catalog()
    if isinstance(cover, OffsetSkipped):
        return None
    if isinstance(cover, SchemaDecided):
        schema_id = cover.schema_id
        if cover.schema is None:
            return None
        try:
            catalog._writers.pop(schema_id, None)
            catalog.add(schema_id, json.loads(cover.schema))
        except ValueError:
            return None
    try:
        return Codec(catalog).decode_input(record.value)
    except InvalidRecordError:
        return None


def test_every_record_is_read_as_the_mark_that_covers_it_says():
    """Marks in front of their records and behind them, about known and unknown ids, several about one; skips."""
    read = covered = 0
    for seed in range(examples(_LOGS)):
        log = seeded_marked_log(seed)
        cover = naive_cover(log)
        marks = Marks(marks_among(log))
        assert marks.by_offset == dict(marks_of(log))
        for record, (offset, _, _, found, _) in zip(log, log_entries(log, CODEC, marks), strict=True):
            if record.headers:
                assert found == marks.by_offset[offset]
                continue
            expected = _naive(record, cover.get(offset))
            if expected is None:
                assert isinstance(found, InvalidRecordError), (seed, offset, cover.get(offset))
            else:
                assert found == expected, (seed, offset, cover.get(offset))
            read += 1
            covered += offset in cover
    assert read > 5 * examples(_LOGS)
    assert covered > read / 4


def test_how_a_log_is_cut_makes_no_difference_to_how_it_is_read():
    """Each record by itself, and all at once."""
    for seed in range(50):
        log = seeded_marked_log(seed)
        marks = Marks(marks_among(log))
        whole = [str(entry[3]) for entry in log_entries(log, CODEC, marks)]
        assert [str(entry[3]) for record in log for entry in log_entries([record], CODEC, marks)] == whole


def test_marks_that_come_in_any_order_say_the_same():
    """A restore gives those of the table in no order, and those ahead of it in another."""
    log = seeded_marked_log(3) + [one._replace(offset=one.offset + 1_000) for one in seeded_marked_log(4)]
    found = list(marks_among(log))
    assert len(found) > 10
    expected = [str(entry[3]) for entry in log_entries(log, CODEC, Marks(found))]
    assert [str(entry[3]) for entry in log_entries(log, CODEC, Marks(reversed(found)))] == expected


def test_a_skipped_record_is_not_decoded():
    """It may be skipped because nothing survives that."""

    class Fragile(bytes):
        def __getitem__(self, place: object) -> bytes:
            raise AssertionError("it was looked into")

        startswith = __getitem__

    log = [plain(4, b"a", Fragile(b"\x00poison")), marked(5, OffsetSkipped(4, "nobody survives it", "ann"))]
    entry, _ = log_entries(log, CODEC, Marks(marks_among(log)))
    assert str(entry[3]) == "offset: 4 is skipped by the mark at offset 5: nobody survives it"


def test_what_only_looks_like_a_mark_is_none():
    """Without its header, with another record's value, about a later offset, with both a schema and a refusal."""
    mark = OffsetSkipped(3, "why")
    good = marked(7, mark)
    no_mark = [
        good._replace(headers=()),
        good._replace(headers=(("Mark", b""),)),
        good._replace(value=CODEC.encode(touch("a", 1, 0))),
        good._replace(value=None),
        good._replace(offset=3),
        good._replace(value=plain_codec().encode(SchemaDecided(1, "{}", "no"))),
        good._replace(value=plain_codec().encode(SchemaDecided(1))),
        good._replace(value=plain_codec().encode(SchemaDecided(-1, None, "no"))),
        good._replace(value=plain_codec().encode(OffsetSkipped(3, "x" * 1001))),
        good._replace(value=plain_codec().encode(SchemaDecided(1, "x" * LONGEST_MARK_BYTES))),
    ]
    assert list(marks_among([good])) == [(7, mark)]
    assert list(marks_among(no_mark)) == []
    for record in no_mark:
        (entry,) = log_entries([record], CODEC, Marks())
        assert isinstance(entry[3], InvalidRecordError) or record.value == CODEC.encode(touch("a", 1, 0))


def test_a_mark_that_no_reader_would_take_is_not_written():
    """The field is named."""
    for mark, field in [
        (OffsetSkipped(-1, "why"), "offset"),
        (OffsetSkipped(1, "x" * 1001), "reason"),
        (SchemaDecided(2**32, "{}"), "schema_id"),
        (SchemaDecided(1, "{}", "no"), "schema"),
        (SchemaDecided(1, None, "x" * 1001), "refusal"),
        (SchemaDecided(1, "x" * LONGEST_MARK_BYTES), "value"),
    ]:
        with pytest.raises(InvalidRecordError, match=f"^{field}:"):
            mark_value(mark)
    assert LONGEST_MARK_BYTES < MAX_RECORD_BYTES


def test_marks_come_back_with_the_table():
    """Each in a row of its own; what was read before a restart says how what comes behind it is read."""
    decided = SchemaDecided(700, json.dumps(OWN))
    record = touch("a", 1, 0)
    log = [marked(0, decided), plain(1, b"a", foreign(OWN, 700, record))]
    partition = Partition()
    partition.marks = Marks(marks_among(log))
    effects = Processor(partition).process_log(log[:1], CODEC)
    assert (effects.counts.marks, effects.counts.read) == (1, 1)
    restore = Restore()
    for row in stored_rows(effects, CODEC):
        restore.add(*row)
    again = Partition()
    restore.onto(again, CODEC)
    assert again.marks.by_offset == {0: decided}
    assert Processor(again).process_log(log[1:], CODEC).counts.applied == 1
    assert Processor(Partition()).process_log(log[1:], CODEC).counts.dead == 1


def test_a_marks_own_schema_needs_no_mark_and_no_registry():
    """Its id is the fingerprint, whatever ids a registry has given."""
    catalog = Catalog()
    catalog.use_id("SchemaDecided", 115)
    mark = SchemaDecided(9, None, "no")
    assert decode_mark(mark_value(mark)) == mark
    assert MARK_HEADER == "mark"
    assert AT > 0
