"""Batches: whatever stands in one, each value is decoded, and each record encoded, as it would be by itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.schemas import columns
from journeys.schemas.codec import HEADER_BYTES, MAX_RECORD_BYTES, Codec
from journeys.schemas.instants import EARLIEST, LATEST
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.money import LARGEST_MICROS
from journeys.schemas.records import STATES, JourneyCommand, Touchpoint
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from journeys.streams.rule.row import Row, stored_columns
from tests.fixtures.record_examples import FULL, INPUTS, OTHERS, SMALL, T0

CODEC = Codec()


def one_by_one(values):
    """What decoding each value by itself gives."""
    found = []
    for value in values:
        try:
            found.append(CODEC.decode_input(value))
        except InvalidRecordError as error:
            found.append(error)
    return found


def comparable(found):
    """Records as text, so that NaN equals NaN; errors as no more than that."""
    return ["invalid" if isinstance(record, InvalidRecordError) else repr(record) for record in found]


WORDS = st.text(max_size=12)
touchpoints = st.builds(
    Touchpoint,
    journey_id=WORDS,
    user_id=st.none() | WORDS,
    touchpoint_id=WORDS,
    occurred_at=st.integers(T0 - 10**12, T0 + 10**12) | st.integers(-(2**63), 2**63 - 1),
    channel=st.none() | WORDS,
    event_type=st.none() | WORDS,
    state=st.none() | st.sampled_from((*STATES, "HAPPY")),
    cost_micros=st.integers(0, 10**9) | st.integers(-(2**63), 2**63 - 1),
    conversion_probability=st.none() | st.floats(),
    conversion_value_micros=st.none() | st.integers(-1, 10**12),
    action_id=st.none() | WORDS,
    policy_version=st.none() | WORDS,
    propensity=st.none() | st.floats(width=64),
    segment=st.none() | WORDS | st.text(min_size=199, max_size=201),
)

_RATES = st.none() | st.sampled_from((0.0, 1.0, 5e-324)) | st.floats(0, 1)
_MICROS = st.sampled_from((0, LARGEST_MICROS)) | st.integers(0, LARGEST_MICROS)
_IDS = st.text(min_size=1, max_size=12)
valid_touchpoints = st.builds(
    Touchpoint,
    journey_id=_IDS,
    user_id=st.none() | WORDS,
    touchpoint_id=_IDS,
    occurred_at=st.sampled_from((EARLIEST, LATEST - 1)) | st.integers(EARLIEST, LATEST - 1),
    channel=st.none() | WORDS,
    event_type=st.none() | WORDS,
    state=st.none() | st.sampled_from(STATES),
    cost_micros=_MICROS,
    conversion_probability=_RATES,
    conversion_value_micros=st.none() | _MICROS,
    action_id=st.none() | WORDS,
    policy_version=st.none() | WORDS,
    propensity=_RATES,
    segment=st.none() | _IDS | st.text(min_size=199, max_size=200),
)


@st.composite
def wires(draw):
    """A value: of a touchpoint, whole, cut off, with bytes behind it or mutated, of another record, or random."""
    kind = draw(st.sampled_from(("whole", "whole", "cut", "trailing", "mutated", "prefix", "random", "other", "null")))
    if kind == "null":
        return None
    if kind == "random":
        return draw(st.binary(max_size=60))
    if kind == "other":
        return CODEC.encode(draw(st.sampled_from(INPUTS + OTHERS)))
    value = CODEC.encode(draw(touchpoints))
    if kind == "cut":
        return value[: draw(st.integers(0, len(value)))]
    if kind == "trailing":
        return value + draw(st.binary(min_size=1, max_size=8))
    if kind == "prefix":
        return value[:HEADER_BYTES] + draw(st.binary(max_size=60))
    if kind == "mutated":
        place = draw(st.integers(HEADER_BYTES, len(value) - 1))
        return value[:place] + draw(st.binary(max_size=3)) + value[place + draw(st.integers(0, 2)) :]
    return value


@given(st.lists(wires(), max_size=3), st.integers(0, 12))
@settings(max_examples=60, deadline=None)
def test_a_batch_is_decoded_as_one_by_one(values, good):
    """The same records, and the same values found invalid, whatever stands beside them."""
    values = values[:1] + [CODEC.encode(FULL)] * good + values[1:]
    assert comparable(CODEC.decode_inputs(values)) == comparable(one_by_one(values))


def _spoiled():
    """Each byte of a full touchpoint replaced, left out, or preceded by a number that does not end."""
    value = CODEC.encode(FULL)
    for place in range(HEADER_BYTES, len(value)):
        before, behind = value[:place], value[place + 1 :]
        yield before + behind
        yield before + b"\x80" * 12 + behind
        yield before + b"\xff" * 9 + b"\x01" + behind
        for byte in (0x00, 0x01, 0x03, 0x04, 0x7F, 0x80, 0xC3, 0xED, 0xFE, 0xFF):
            yield before + bytes([byte]) + behind


def test_a_batch_with_one_spoiled_value_is_decoded_as_one_by_one():
    """Every value spoiled in one place, each in a batch of good ones: bad UTF-8, lengths, branches, long numbers."""
    good = [CODEC.encode(SMALL)] * 8
    invalid = 0
    for value in _spoiled():
        *others, found = CODEC.decode_inputs([*good, value])
        assert others == [SMALL] * 8
        assert comparable([found]) == comparable(one_by_one([value])), value.hex()
        invalid += isinstance(found, InvalidRecordError)
    assert invalid > 100


def test_without_the_package_that_does_it_the_same(monkeypatch):
    """The extra that brings it is not needed to read a topic, nor to write one."""
    values = [CODEC.encode(record) for record in INPUTS * 5] + [None, b"", *list(_spoiled())[:50]]
    batched = comparable(CODEC.decode_inputs(values))
    encoded = CODEC.encode_all([FULL, SMALL] * 8)
    assert columns_of_touchpoints(CODEC)
    monkeypatch.setattr(columns, "IS_INSTALLED", False)
    without = Codec()
    assert not columns_of_touchpoints(without)
    assert comparable(without.decode_inputs(values)) == batched == comparable(one_by_one(values))
    assert without.encode_all([FULL, SMALL] * 8) == encoded


def columns_of_touchpoints(codec):
    """Whether touchpoints go the fast way: if not, these tests compare nothing."""
    return codec.catalog.writer(codec.catalog.id_of("Touchpoint")).has_columns


@pytest.mark.parametrize("record", INPUTS + OTHERS, ids=lambda record: type(record).__name__)
def test_a_batch_of_any_record_has_the_bytes_of_one_by_one(record):
    """And comes back as the same fields; nothing in an empty batch."""
    name, value = type(record).__name__, CODEC.encode(record)
    for count in (1, 9, 100):
        assert CODEC.encode_all([record] * count) == [value] * count
        assert CODEC.decode_all_fields(name, [value] * count) == [record._asdict()] * count
    assert CODEC.encode_all([]) == CODEC.decode_all_fields(name, []) == []


@given(st.lists(touchpoints, min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_a_batch_of_touchpoints_has_the_bytes_of_one_by_one(batch):
    """NaN, minus zero, the greatest numbers, empty and non-Latin text included."""
    batch = batch * 8
    assert CODEC.encode_all(batch) == [CODEC.encode(record) for record in batch]


def test_a_batch_of_rows_has_the_bytes_of_one_by_one():
    """Open and closed ones; what is stored of them comes back."""
    partition = Partition()
    records = [SMALL._replace(journey_id=f"j{number % 40}", touchpoint_id=f"t{number}") for number in range(240)]
    records += [JourneyCommand(f"j{number}", T0, "abandon") for number in range(20)]
    entries = [Entry(offset, one.journey_id.encode(), None, one) for offset, one in enumerate(records)]
    rows = list(Processor(partition).process(entries).changed.values())
    assert sorted({row.open for row in rows}) == [False, True]
    values = [CODEC.encode_fields("JourneyRow", row.stored()) for row in rows]
    assert CODEC.encode_columns("JourneyRow", stored_columns(rows)) == values
    fields = CODEC.decode_all_fields("JourneyRow", values)
    assert fields == [CODEC.decode_fields(value)[1] for value in values]
    again = [Row.of_stored(row.journey_id, one, row.policy) for row, one in zip(rows, fields, strict=True)]
    assert [row.stored() for row in again] == [row.stored() for row in rows]
    assert [row.recent_ids for row in again] == [row.recent_ids for row in rows]


@pytest.mark.parametrize("others", [0, 8])
def test_bytes_behind_a_record_are_refused(others):
    """By itself and in a batch, whose good ones are not harmed: two records in one value, or one byte too many."""
    value, good = CODEC.encode(SMALL), [CODEC.encode(FULL)] * others
    for behind in (b"\x00", value, bytes(MAX_RECORD_BYTES - len(value))):
        *found, last = CODEC.decode_inputs([*good, value + behind])
        assert found == [FULL] * others
        assert str(last) == (
            f"value: '{len(behind)} bytes behind the record' is not allowed; expected Avro of Touchpoint and no more"
        )


@pytest.mark.parametrize("others", [0, 8])
def test_a_number_in_a_longer_form_is_the_same_number(others):
    """Avro allows it: a writer that pads its numbers is understood, by itself and in a batch."""
    value = CODEC.encode(SMALL)
    longer = value[:HEADER_BYTES] + b"\x82\x00" + value[HEADER_BYTES + 1 :]  # length 1 in two bytes
    assert CODEC.decode_inputs([value] * others + [longer]) == [SMALL] * (others + 1)


def test_sizes_in_a_batch():
    """A value that is too large is refused as it would be by itself, whatever else is wrong with it."""
    value = CODEC.encode(SMALL)
    greatest = value + bytes(MAX_RECORD_BYTES - len(value))
    found = CODEC.decode_inputs([value] * 8 + [greatest, greatest + b"\x00"])
    assert found[:8] == [SMALL] * 8
    assert ["at most 1048576 bytes" in str(error) for error in found[8:]] == [False, True]


@given(st.lists(valid_touchpoints, min_size=8, max_size=20))
@settings(max_examples=200, deadline=None)
def test_valid_touchpoints_are_decoded(batch):
    """Whatever is allowed, at its edges, too: the greatest and least, nulls and texts of any length."""
    assert comparable(CODEC.decode_inputs(list(map(CODEC.encode, batch)))) == comparable(batch)


@pytest.mark.parametrize(
    ("field", "value"),
    [("journey_id", ""), ("touchpoint_id", ""), ("occurred_at", EARLIEST - 1), ("occurred_at", LATEST)]
    + [(field, wrong) for field in ("cost_micros", "conversion_value_micros") for wrong in (-1, LARGEST_MICROS + 1)]
    + [(field, wrong) for field in ("conversion_probability", "propensity") for wrong in (-0.1, 1.1, float("nan"))]
    + [("state", "HAPPY"), ("segment", ""), ("segment", "\U0001f6d2" * 201)],
)
def test_an_invalid_touchpoint_among_valid_ones_is_found(field, value):
    """It alone, each field's bounds by themselves; nulls stand beside it."""
    values = [CODEC.encode(record) for record in (*[SMALL] * 8, FULL._replace(**{field: value}), FULL)]
    found = CODEC.decode_inputs(values)
    assert [isinstance(record, InvalidRecordError) for record in found] == [False] * 8 + [True, False]
    assert found[8].field == field
