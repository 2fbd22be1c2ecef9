"""The batch decoder: whatever stands in a batch, each value is decoded as it would be by itself."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from record_examples import FULL, INPUTS, OTHERS, SMALL, T0

from schemas import codec as codec_module
from schemas.codec import HEADER_BYTES, MAX_RECORD_BYTES, Codec
from schemas.invalid import InvalidRecordError
from schemas.records import STATES, Touchpoint

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
)


@st.composite
def wires(draw):
    """A value: of a touchpoint, whole, cut off, with bytes behind it or mutated, of another record, or random."""
    kind = draw(st.sampled_from(("whole", "whole", "cut", "trailing", "mutated", "head", "random", "other", "null")))
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
    if kind == "head":
        return value[:HEADER_BYTES] + draw(st.binary(max_size=60))
    if kind == "mutated":
        place = draw(st.integers(HEADER_BYTES, len(value) - 1))
        return value[:place] + draw(st.binary(max_size=3)) + value[place + draw(st.integers(0, 2)) :]
    return value


@given(st.lists(wires(), max_size=3), st.integers(0, 12))
@settings(max_examples=100, deadline=None)
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


def test_without_the_batch_decoder_the_same(monkeypatch):
    """The extra that brings it is not needed to read a topic."""
    assert codec_module.deserialize_array is not None
    values = [CODEC.encode(record) for record in INPUTS * 5] + [None, b"", *list(_spoiled())[:50]]
    batched = comparable(CODEC.decode_inputs(values))
    monkeypatch.setattr(codec_module, "deserialize_array", None)
    assert comparable(CODEC.decode_inputs(values)) == batched == comparable(one_by_one(values))


def test_sizes_in_a_batch():
    """A value that is too large is refused as it would be by itself: here for the bytes behind its touchpoint."""
    value = CODEC.encode(SMALL)
    greatest = value + bytes(MAX_RECORD_BYTES - len(value))
    found = CODEC.decode_inputs([value] * 8 + [greatest, greatest + b"\x00"])
    assert comparable(found) == comparable(one_by_one([value] * 8 + [greatest, greatest + b"\x00"]))
    assert comparable(found)[-2:] == [repr(SMALL), "invalid"]
