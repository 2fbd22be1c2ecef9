"""Punctuations within a batch: the engine takes them, and leaves to the reference those that it would refuse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from journeys.schemas.catalog import own_schemas
from journeys.schemas.codec import Codec
from journeys.schemas.instants import DAY_MS, EARLIEST, HOUR_MS, LATEST
from journeys.schemas.records import ClockCorrected, InputRecord, JourneyRegistered, Punctuation, Touchpoint
from journeys.streams.compiled.compiled_processor import CompiledProcessor, decoded_entry
from journeys.streams.compiled.engine_choice import load_engine
from journeys.streams.partition.entry import Entry, EntryFields
from journeys.streams.partition.protocols import JourneyProcessor
from journeys.streams.rule.clock import RULE_VERSION, UnknownRuleVersionError
from tests.engine.comparison import CODEC, compare, compiled, needs_engine, reference, result_of, tables
from tests.fixtures.examples import examples
from tests.fixtures.wire_record import WireRecord, on_the_wire

_AT: Final = 1_760_000_000_000
_JOURNEY: Final = "journey"
_OTHER_ID: Final = 77

_instants = st.sampled_from([0, 1, HOUR_MS, 2 * HOUR_MS, DAY_MS, 4 * DAY_MS, 40 * DAY_MS]).map(lambda ms: _AT + ms)
_punctuations = st.builds(
    Punctuation,
    _instants | st.sampled_from([EARLIEST - 1, EARLIEST, LATEST - 1, LATEST]),
    st.sampled_from(["simulated", "live"]) | st.sampled_from(["simulated", "live", "LIVE", ""]),
    st.sampled_from([None, "", "a worker", "w" * 2_000]),
    st.sampled_from([None, None, 1, 0, -1]),
)
_corrections = st.builds(ClockCorrected, _instants | st.sampled_from([EARLIEST - 1, EARLIEST]), st.none(), st.none())


def _touchpoint(number: int, at: int) -> Touchpoint:
    return Touchpoint(_JOURNEY, None, f"t-{number}", at, None, None, "AWARE", 1_000)


_touchpoints = st.builds(_touchpoint, st.integers(0, 20), _instants | st.just(_AT - 60 * DAY_MS))


def _log(records: Sequence[InputRecord], *, append_time: int | None = None, codec: Codec = CODEC) -> list[WireRecord]:
    return [
        on_the_wire(
            Entry(
                offset, None if isinstance(record, Punctuation | ClockCorrected) else b"journey", append_time, record
            ),
            codec,
        )
        for offset, record in enumerate(records)
    ]


def _values(log: Sequence[WireRecord]) -> list[bytes | None]:
    return [record.value for record in log]


class _Watched(CompiledProcessor):
    """Notes the offsets of the records that the engine leaves to the reference."""

    def __init__(self, processor: JourneyProcessor) -> None:
        assert isinstance(processor, CompiledProcessor)
        super().__init__(processor.partition, self._noted)
        self.left: list[int] = []

    def _noted(self, record: Any, codec: Codec) -> EntryFields:
        self.left.append(record.offset)
        return decoded_entry(record, codec)


@needs_engine
@settings(max_examples=examples(500), deadline=None)
@given(
    records=st.lists(_touchpoints | _punctuations | _corrections, max_size=30),
    append_time=_instants | st.none(),
    key=st.sampled_from([None, b"", b"journey"]),
    changed=st.none() | st.tuples(st.integers(0, 30), st.integers(0, 60), st.integers(0, 255)),
    cut=st.integers(0, 30),
    again=st.integers(0, 5),
    restarts=st.booleans(),
)
def test_punctuations_are_what_the_reference_makes_of_them(
    records: list[InputRecord],
    append_time: int | None,
    key: bytes | None,
    changed: tuple[int, int, int] | None,
    cut: int,
    again: int,
    restarts: bool,
) -> None:
    """Both time sources, any instant, text and key, damaged or fetched again: equal, byte by byte."""
    log = _log(records, append_time=append_time)
    log = [
        wire._replace(key=key) if isinstance(said, Punctuation) else wire
        for wire, said in zip(log, records, strict=True)
    ]
    if changed is not None and changed[0] < len(log):
        value = bytearray(log[changed[0]].value or b"")
        value[changed[1] % len(value)] = changed[2]
        log[changed[0]] = log[changed[0]]._replace(value=bytes(value))
    assume(not any(getattr(one, "rule_version", None) not in (None, 1) for one in CODEC.decode_inputs(_values(log))))
    compare([log[:cut], log[max(0, cut - again) :]], 0, 1, restarts=restarts)


@needs_engine
def test_plain_records_stay_in_the_engine() -> None:
    """Touchpoints and punctuations: the reference is asked about none of them, and much happens."""
    records: list[InputRecord] = []
    for day in range(0, 200, 2):
        records += [_touchpoint(day, _AT + day * DAY_MS), Punctuation(_AT + day * DAY_MS, "simulated", "somebody")]
    log = _log(records)
    watched = _Watched(compiled(0, 1))
    found = result_of(watched, log)
    assert watched.left == []
    assert found == result_of(reference(0, 1), log)
    assert (found.counts.applied, found.counts.punctuations) == (100, 100)
    assert sum(found.tally[0].values()) > 0


@needs_engine
@pytest.mark.parametrize("make", [reference, compiled])
def test_a_later_version_of_the_rule_is_no_guess(make: Callable[[int, int], JourneyProcessor]) -> None:
    """Neither goes on behind it, a dead letter or not; nothing of the record is applied."""
    later = Punctuation(_AT + 90 * DAY_MS, "live", None, RULE_VERSION + 1)
    processor = make(0, 1)
    log = _log([_touchpoint(1, _AT), later])
    with pytest.raises(UnknownRuleVersionError, match=r"journey-events\[0\] offset 1 is under version 2 of the rule"):
        processor.process_log(log, CODEC)
    assert (processor.partition.applied_offset, processor.partition.clock) == (0, None)


@needs_engine
@pytest.mark.parametrize(("ahead_ms", "left"), [(60_000, []), (60_001, [0])])
def test_a_live_punctuation_ahead_of_its_append_time_is_left_to_the_reference(ahead_ms: int, left: list[int]) -> None:
    """Which makes a dead letter of it; one that is ahead by less stays in the engine."""
    log = _log([Punctuation(_AT + ahead_ms, "live")], append_time=_AT)
    watched = _Watched(compiled(0, 1))
    assert result_of(watched, log) == result_of(reference(0, 1), log)
    assert watched.left == left
    assert watched.partition.clock == (None if left else _AT + ahead_ms)


@needs_engine
def test_another_time_source_is_left_to_the_reference() -> None:
    """The first punctuation decides; one of the other kind is a dead letter, and moves nothing."""
    records = [Punctuation(_AT, "simulated"), _touchpoint(1, _AT), Punctuation(_AT + 90 * DAY_MS, "live")]
    watched = _Watched(compiled(0, 1))
    found = result_of(watched, _log(records))
    assert watched.left == [2]
    assert (found.counts.dead, found.open_count) == (1, 1)
    assert (watched.partition.clock, watched.partition.time_source) == (_AT, "simulated")


@needs_engine
def test_a_time_source_that_nobody_knows_is_any_other() -> None:
    """It can only come out of a table that somebody else wrote: each punctuation is a dead letter then."""
    log = _log([Punctuation(_AT, "simulated"), _touchpoint(1, _AT + 10 * DAY_MS)], append_time=_AT)
    results = []
    for processor in (compiled(0, 1), reference(0, 1)):
        processor.partition.time_source = "somebody's"
        results.append(result_of(processor, log))
    assert results[0] == results[1]
    assert results[0].counts.dead == 2


@needs_engine
@pytest.mark.parametrize(("time_source", "left"), [("simulated", [0]), ("live", [0, 2])])
def test_the_first_punctuation_says_whether_touchpoints_may_be_ahead(time_source: str, left: list[int]) -> None:
    """In the middle of a batch: before it, and on live topics behind it, a touchpoint far ahead is a dead letter."""
    ahead = [_touchpoint(number, _AT + 10 * DAY_MS) for number in range(2)]
    log = _log([ahead[0], Punctuation(_AT, time_source), ahead[1]], append_time=_AT)
    watched = _Watched(compiled(0, 1))
    found = result_of(watched, log)
    assert watched.left == left
    assert found.counts.dead == len(left)
    assert found == result_of(reference(0, 1), log)


@needs_engine
def test_punctuations_under_another_id_are_learnt() -> None:
    """Once a writer's id is known to be of the present schema, the reference is asked no more."""
    codec, writer = Codec(), Codec()
    codec.catalog.add(_OTHER_ID, own_schemas()["Punctuation"])
    writer.catalog.use_id("Punctuation", _OTHER_ID)
    log = _log([_touchpoint(1, _AT), *(Punctuation(_AT + day * DAY_MS, "simulated") for day in range(9))], codec=writer)
    watched, plain = _Watched(load_engine("compiled").processor(0, 1, codec)), reference(0, 1)
    counts = [processor.process_log(log, codec).counts for processor in (watched, plain)]
    assert counts[0] == counts[1]
    assert watched.partition.row() == plain.partition.row()
    assert tables(watched) == tables(plain)
    assert watched.left == [1]


@needs_engine
def test_a_deadline_that_comes_nearer_by_a_minute_fires() -> None:
    """An index that sorts roughly may have it under the same entry as before."""
    begin_of_an_hour = _AT - _AT % HOUR_MS + 10 * 60_000
    due_at = begin_of_an_hour + 3 * DAY_MS + 60_000
    sooner = JourneyRegistered(_JOURNEY, None, begin_of_an_hour, inactivity_ms=3 * DAY_MS - 60_000)
    log = _log(
        [
            Punctuation(begin_of_an_hour - 1, "simulated"),
            _touchpoint(0, begin_of_an_hour),
            sooner,
            Punctuation(due_at - 30_000, "simulated"),
        ]
    )
    assert compare([log], 0, 1) == len(log)
    ended = result_of(reference(0, 1), log)
    assert (ended.open_count, ended.next_due_at) == (0, None)
