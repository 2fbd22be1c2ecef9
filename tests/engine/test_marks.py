"""With marks in a log the compiled engine gives what the reference gives, byte for byte."""

from __future__ import annotations

import json

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from journeys.schemas.codec import prefix_of
from journeys.schemas.marks import Marks, marks_among
from journeys.schemas.records import Mark, SchemaDecided
from tests.engine.comparison import CODEC, compare, compiled, needs_engine, result_of
from tests.fixtures.examples import examples
from tests.fixtures.marked_logs import OWN, foreign, marked, plain, seeded_marked_log
from tests.fixtures.topic_contents import touch

_LOGS = 150


@needs_engine
def test_the_engine_equals_the_reference_with_marks():
    """Logs whole, in batches of seven and with a restart before each batch."""
    read = 0
    for seed in range(examples(_LOGS)):
        log = seeded_marked_log(seed)
        marks = list(marks_among(log))
        for size, restarts in ((len(log), False), (7, False), (7, True)):
            batches = [log[begin : begin + size] for begin in range(0, len(log), size)]
            read += compare(batches, 0, 1, restarts=restarts, marks=marks)
    assert read > 50 * examples(_LOGS)


@needs_engine
def test_an_id_that_the_engine_reads_by_itself_can_be_refused_later_on():
    """From the second mark about it on, and for the present schema's own fingerprint as well."""
    own = CODEC.catalog.id_of("Touchpoint")
    for schema_id in (700, own):
        log = [plain(at, b"a", foreign(OWN, schema_id, touch("a", at, at))) for at in range(40)]
        yes, no = SchemaDecided(schema_id, json.dumps(OWN)), SchemaDecided(schema_id, None, "no more")
        marks: list[tuple[int, Mark]] = [(5, yes), (20, no), (30, yes)]
        log = [marked(at, dict(marks)[at]) if at in dict(marks) else one for at, one in enumerate(log)]
        compare([log], 0, 1, marks=marks)
        compare([log[:13], log[13:22], log[22:]], 0, 1, marks=marks)
        processor = compiled(0, 1)
        processor.partition.marks = Marks(marks)
        counts = result_of(processor, log).counts
        assert (counts.applied, counts.dead, counts.marks) == (28, 9, 3)


@needs_engine
def test_the_engine_finds_headers_in_record_batches():
    """Records that have one, by their indexes, and where an offset begins."""
    from journeys.engine import Records  # noqa: PLC0415  (it may not be built)

    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1_000_000,
    )
    headers = [[], [("mark", b"x")], [("other", b"y")], [("other", None), ("mark", None)], []]
    for index, given in enumerate(headers):
        builder.append(index, timestamp=1, key=b"k", value=prefix_of(index), headers=given)
    batch = bytes(builder.build())
    records = Records.of_batch(batch, 61, len(batch), len(headers), 100, 1, None, 0)
    assert records.with_header("mark") == [1, 3]
    assert records.with_header("none") == []
    assert [records.index_of(offset) for offset in (0, 100, 103, 104, 105)] == [0, 0, 3, 4, 5]
