"""The wire format: its bytes, its ids, other versions of a schema, and a batch decoded as one by one."""

from __future__ import annotations

import copy
from io import BytesIO

import pytest
from fastavro import parse_schema, schemaless_writer
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec as codec_module
from schemas.catalog import INPUT_RECORDS, Catalog, fingerprint, own_schemas, without_logical_types
from schemas.codec import HEADER_BYTES, MAX_RECORD_BYTES, Codec, check_frame, schema_id_of
from schemas.invalid import InvalidRecordError
from schemas.records import (
    DeadLetter,
    JourneyAbandoned,
    JourneyCommand,
    JourneyLifecycle,
    JourneyRegistered,
    JourneySignal,
    PolicyChanged,
    Punctuation,
    Touchpoint,
)
from schemas.rows import PartitionRow, PolicyRow

T0 = 1_760_000_000_000
CODEC = Codec()
SMALL = Touchpoint("j", None, "t", T0)
FULL = Touchpoint(
    "journey-ä", "user", "t1", T0, "search", "click", "AWARE", 1_500_000, 0.25, 90_000_000, "act", "bids-1", 0.5
)
INPUTS = [
    FULL,
    SMALL,
    JourneyRegistered("j", "u", T0, 1, 2, 3),
    JourneyRegistered("j", None, T0),
    JourneySignal("j", T0, "fatigue", "c", "by", "note"),
    JourneyCommand("j", T0, "abandon", "TIMEOUT", None, "c", "by", "note"),
    JourneyCommand("j", T0, "extend", None, 86_400_000),
    PolicyChanged("default-1", "{}", T0, "ann"),
    Punctuation(T0, "live", "worker"),
]
OTHERS = [
    JourneyAbandoned(
        *("a" * 32, "j", None, "TIMEOUT", "AWARE", T0, None, T0 + 1, T0 + 2, 1, 2, 3, 0.5, 4, 5, 6, 11),
        *(0.2, 0.3, 1.0, 1, "default-1", False, True, None, None, None, None, None, None, None, None, None),
    ),
    JourneyLifecycle("a" * 32, "started", "j", None, T0, T0),
    DeadLetter("journey-events", 3, 17, "value: wrong", None, None, b"\xff", 1, "00"),
    PartitionRow(17, None, None, "default-1", 4),
    PartitionRow(17, T0, "live", "default-1", 4),
    PolicyRow(17, "default-1", "{}"),
]


def version(name, **changes):
    """Copy of one of the project's schemas; `changes` are fields to replace, None to remove."""
    schema = copy.deepcopy(own_schemas()[name])
    for field_name, change in changes.items():
        others = [field for field in schema["fields"] if field["name"] != field_name]
        place = next((i for i, field in enumerate(schema["fields"]) if field["name"] == field_name), len(others))
        schema["fields"] = others if change is None else [*others[:place], change, *others[place:]]
    return schema


def written(schema, fields, schema_id):
    """Wire bytes as a producer with that schema writes them."""
    out = BytesIO(b"\x00" + schema_id.to_bytes(4, "big"))
    out.seek(0, 2)
    schemaless_writer(out, parse_schema(without_logical_types(schema)), fields)
    return out.getvalue()


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


def test_the_bytes_on_the_wire():
    """Byte 0, the schema's id in 4 bytes big-endian, the fields in Avro binary."""
    assert CODEC.encode(SMALL).hex(" ") == (
        "00 07 17 14 cb "  # head
        "02 6a "  # journey_id: length 1, j
        "00 "  # user_id: null
        "02 74 "  # touchpoint_id: length 1, t
        "80 80 e6 82 b9 66 "  # occurred_at
        "00 00 00 "  # channel, event_type, state: null
        "00 "  # cost_micros: 0
        "00 00 00 00 00"  # the other five: null
    )
    assert CODEC.encode(FULL).hex() == (
        "00071714cb"
        "146a6f75726e65792dc3a4020875736572047431"
        "8080e682b966"
        "020c736561726368020a636c69636b020a4157415245"
        "c08db701"
        "02000000000000d03f"
        "0280aaea55"
        "0206616374020c626964732d31"
        "02000000000000e03f"
    )


@pytest.mark.parametrize("record", INPUTS + OTHERS, ids=lambda record: type(record).__name__)
def test_every_record_comes_back(record):
    """What was encoded is decoded to the same tuple."""
    assert CODEC.decode(CODEC.encode(record)) == record


@pytest.mark.parametrize("record", INPUTS, ids=lambda record: type(record).__name__)
def test_every_input_record_is_taken(record):
    """By itself and in a batch."""
    value = CODEC.encode(record)
    assert CODEC.decode_input(value) == record
    assert CODEC.decode_inputs([value] * 9) == [record] * 9


@pytest.mark.parametrize("record", OTHERS, ids=lambda record: type(record).__name__)
def test_no_other_record_is_taken_as_input(record):
    """An abandonment on the input topic is a dead letter, not a crash."""
    value = CODEC.encode(record)
    with pytest.raises(InvalidRecordError, match="expected one of Touchpoint, JourneyRegistered"):
        CODEC.decode_input(value)
    assert all(isinstance(found, InvalidRecordError) for found in CODEC.decode_inputs([value] * 9))


def test_fingerprints_are_pinned():
    """A schema's id is in every record ever written: who changes a schema keeps the old one in avro/earlier."""
    assert {name: fingerprint(schema) for name, schema in own_schemas().items()} == {
        "DeadLetter": 1897475313,
        "JourneyAbandoned": 1816665790,
        "JourneyCommand": 1783465428,
        "JourneyLifecycle": 1040380536,
        "JourneyRegistered": 658009093,
        "JourneyRow": 827076658,
        "JourneySignal": 890124556,
        "PartitionRow": 39725137,
        "PolicyChanged": 1214401913,
        "PolicyRow": 1005447428,
        "Punctuation": 601888827,
        "Touchpoint": 118953163,
    }


def test_a_fingerprint_is_of_the_canonical_form():
    """Docs and defaults may change under the same id, a type or a name may not."""
    own = own_schemas()["Punctuation"]
    assert fingerprint(own | {"doc": "Something else."}) == fingerprint(own)
    assert fingerprint(own | {"name": "Tick"}) != fingerprint(own)
    assert fingerprint(version("Punctuation", at={"name": "at", "type": "int"})) != fingerprint(own)
    assert all(0 <= fingerprint(schema) < 2**31 for schema in own_schemas().values())


NULLABLE = {"name": "campaign", "type": ["null", "string"], "default": None}
READABLE = {
    "newer, a nullable field added": (version("Touchpoint", campaign=NULLABLE), {"campaign": "spring"}),
    "newer, any field added": (version("Touchpoint", rank={"name": "rank", "type": "long"}), {"rank": 7}),
    "older, a nullable field not there yet": (version("Touchpoint", propensity=None), {}),
    "older, two nullable fields not there yet": (version("Touchpoint", propensity=None, state=None), {}),
    "instants without their logical type": (
        version("Touchpoint", occurred_at={"name": "occurred_at", "type": "long"}),
        {},
    ),
    "a narrower number": (version("Touchpoint", cost_micros={"name": "cost_micros", "type": "int"}), {}),
    "never null": (version("Touchpoint", user_id={"name": "user_id", "type": "string"}), {"user_id": "ann"}),
    "other order of fields": (
        version("Touchpoint") | {"fields": own_schemas()["Touchpoint"]["fields"][::-1]},
        {},
    ),
}


@pytest.mark.parametrize("case", READABLE)
def test_other_versions_of_a_record_are_read(case):
    """By Avro's rules: what is missing is null, what is not known is left out."""
    schema, more = READABLE[case]
    catalog = Catalog()
    catalog.add(77, schema)
    value = written(schema, SMALL._asdict() | more, 77)
    expected = SMALL._replace(user_id=more.get("user_id"))
    assert Codec(catalog).decode_input(value) == expected
    assert Codec(catalog).decode_inputs([value] * 9) == [expected] * 9


AT = "occurred_at"
REFUSED = {
    "a field that is needed is missing": (version("Touchpoint", cost_micros=None), "cost_micros"),
    "text in place of a number": (
        version("Touchpoint", cost_micros={"name": "cost_micros", "type": "string"}),
        "long not compatible with writer type: string",
    ),
    "a number that can be null": (
        version("Touchpoint", cost_micros={"name": "cost_micros", "type": ["null", "long"], "default": None}),
        "long not compatible with writer type: null",
    ),
    "instants in microseconds": (
        version("Touchpoint", occurred_at={"name": AT, "type": {"type": "long", "logicalType": "timestamp-micros"}}),
        "occurred_at is timestamp-micros, not timestamp-millis",
    ),
    "nullable instants in microseconds": (
        version(
            "JourneyLifecycle",
            started_at={
                "name": "started_at",
                "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}],
                "default": None,
            },
        ),
        "started_at is timestamp-micros, not timestamp-millis",
    ),
    "another record": (version("Touchpoint") | {"name": "Click"}, "no record 'Click' is known here"),
    "no name": ({"type": "record", "fields": []}, "no record '' is known here"),
    "no record": ("string", "no record '' is known here"),
    "several records": ([own_schemas()["Touchpoint"]], "no record '' is known here"),
    "no fields": ({"type": "record", "name": "Touchpoint"}, "not an Avro schema"),
    "an unknown type": (
        version("Touchpoint", state={"name": "state", "type": "nonsense"}),
        "not an Avro schema",
    ),
    "a default of another type": (
        version("Touchpoint", user_id={"name": "user_id", "type": "string", "default": None}),
        "not an Avro schema",
    ),
    "a field twice": (
        version("Touchpoint") | {"fields": own_schemas()["Touchpoint"]["fields"] * 2},
        "not an Avro schema",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_schema_that_cannot_be_read_is_refused_with_the_reason(case):
    """Its records are dead letters that say why; nobody asks the registry again."""
    schema, reason = REFUSED[case]
    catalog = Catalog()
    catalog.add(77, schema)
    assert catalog.knows(77)
    with pytest.raises(InvalidRecordError, match="schema id: 77 is not allowed") as caught:
        Codec(catalog).decode_input(b"\x00\x00\x00\x00\x4d" + b"\x00" * 20)
    assert reason in str(caught.value)


def test_a_refused_schema_takes_no_id_away():
    """Microseconds have the same canonical form, and so the same fingerprint, as the project's own schema."""
    catalog = Catalog()
    micros = REFUSED["instants in microseconds"][0]
    assert fingerprint(micros) == catalog.id_of("Touchpoint")
    catalog.add(fingerprint(micros), micros)
    assert Codec(catalog).decode_input(CODEC.encode(SMALL)) == SMALL


def test_an_unknown_id_is_refused_until_its_schema_comes():
    """The registry may be asked in between."""
    catalog = Catalog()
    schema, more = READABLE["newer, a nullable field added"]
    value = written(schema, SMALL._asdict() | more, 77)
    assert not catalog.knows(77)
    with pytest.raises(InvalidRecordError, match="schema id: 77 is not allowed.*no such schema is known"):
        Codec(catalog).decode_input(value)
    catalog.add(77, schema)
    assert Codec(catalog).decode_input(value) == SMALL


def test_ids_of_a_registry_are_accepted_beside_fingerprints():
    """Written under the registry's id, read under both, in one batch too."""
    catalog = Catalog()
    catalog.use_id("Touchpoint", 7)
    with_registry = Codec(catalog)
    new, old = with_registry.encode(FULL), CODEC.encode(FULL)
    assert new[:HEADER_BYTES] == b"\x00\x00\x00\x00\x07"
    assert new[HEADER_BYTES:] == old[HEADER_BYTES:]
    assert with_registry.decode_inputs([new, old] * 9) == [FULL] * 18
    assert with_registry.encode(Punctuation(T0, "live"))[:HEADER_BYTES] == CODEC.encode(Punctuation(T0, "live"))[:5]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (None, "value: None is not allowed"),
        (b"", "Confluent's wire format"),
        (b"\x00\x07\x17\x14", "Confluent's wire format"),
        (b'{"journey_id": "j"}', "Confluent's wire format"),
        (b"\x01" + CODEC.encode(SMALL)[1:], "Confluent's wire format"),
        (CODEC.encode(SMALL)[:5], "Avro of Touchpoint"),
        (CODEC.encode(SMALL)[:-1], "Avro of Touchpoint"),
        (b"\x00" * (MAX_RECORD_BYTES + 1), "at most 1048576 bytes"),
        (CODEC.encode(SMALL._replace(cost_micros=-1)), "cost_micros: -1"),
        (CODEC.encode(SMALL._replace(conversion_probability=float("nan"))), "conversion_probability: nan"),
        (CODEC.encode(SMALL._replace(propensity=float("inf"))), "propensity: inf"),
        (CODEC.encode(SMALL._replace(state="HAPPY")), "state: 'HAPPY'"),
        (CODEC.encode(SMALL._replace(journey_id="")), "journey_id: ''"),
        (CODEC.encode(SMALL._replace(touchpoint_id="")), "touchpoint_id: ''"),
        (CODEC.encode(SMALL._replace(occurred_at=0)), "occurred_at: 0"),
        (CODEC.encode(SMALL._replace(occurred_at=2**62)), "occurred_at: 4611"),
        (CODEC.encode(SMALL._replace(conversion_value_micros=-1)), "conversion_value_micros: -1"),
        (CODEC.encode(JourneyRegistered("j", None, T0, timeout_ms=0)), "timeout_ms: 0"),
        (CODEC.encode(JourneyRegistered("j", None, T0, inactivity_ms=-1)), "inactivity_ms: -1"),
        (CODEC.encode(JourneyRegistered("j", None, T0, budget_micros=0)), "budget_micros: 0"),
        (CODEC.encode(JourneySignal("j", T0, "boredom")), "signal: 'boredom'"),
        (CODEC.encode(JourneyCommand("j", T0, "stop")), "command: 'stop'"),
        (CODEC.encode(JourneyCommand("j", T0, "abandon", reason="BOREDOM")), "reason: 'BOREDOM'"),
        (CODEC.encode(JourneyCommand("j", T0, "extend")), "extend_by_ms: None"),
        (CODEC.encode(JourneyCommand("j", T0, "extend", extend_by_ms=0)), "extend_by_ms: 0"),
        (CODEC.encode(Punctuation(T0, "sundial")), "time_source: 'sundial'"),
        (CODEC.encode(Punctuation(0, "live")), "at: 0"),
        (CODEC.encode(PolicyChanged("", "{}", T0)), "policy_version: ''"),
    ],
)
def test_what_is_wrong_is_named(value, complaint):
    """By itself and in a batch of good ones, which are not harmed."""
    with pytest.raises(InvalidRecordError) as caught:
        CODEC.decode_input(value)
    assert complaint in str(caught.value)
    good = CODEC.encode(FULL)
    *others, last = CODEC.decode_inputs([good] * 9 + [value])
    assert others == [FULL] * 9
    assert complaint in str(last)


def test_the_greatest_record_is_a_mebibyte():
    """One byte more is refused, alone and in a batch."""
    spare = MAX_RECORD_BYTES - len(CODEC.encode(SMALL._replace(channel="x" * 1_000_000)))
    greatest = SMALL._replace(channel="x" * (1_000_000 + spare))
    value = CODEC.encode(greatest)
    assert len(value) == MAX_RECORD_BYTES
    assert CODEC.decode_inputs([value] * 9) == [greatest] * 9 == one_by_one([value] * 9)
    more = CODEC.encode(greatest._replace(touchpoint_id="tt"))
    assert comparable(CODEC.decode_inputs([more] * 9)) == ["invalid"] * 9 == comparable(one_by_one([more] * 9))


def test_the_head_of_a_value():
    """Its schema id, or an error."""
    assert schema_id_of(CODEC.encode(SMALL)) == 118953163
    assert check_frame(CODEC.encode(SMALL)) is None
    with pytest.raises(InvalidRecordError):
        schema_id_of(b"\x00\x00")


def test_an_empty_batch():
    """Nothing in, nothing out."""
    assert CODEC.decode_inputs([]) == []


WORDS = st.text(max_size=12)
touchpoints = st.builds(
    Touchpoint,
    journey_id=WORDS,
    user_id=st.none() | WORDS,
    touchpoint_id=WORDS,
    occurred_at=st.integers(T0 - 10**12, T0 + 10**12) | st.integers(-(2**63), 2**63 - 1),
    channel=st.none() | WORDS,
    event_type=st.none() | WORDS,
    state=st.none() | st.sampled_from(("UNAWARE", "AWARE", "CONSIDERING", "INTENT", "CONVERTED", "HAPPY")),
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


@given(st.lists(wires(), max_size=5), st.integers(0, 12))
@settings(max_examples=200, deadline=None)
def test_a_batch_is_decoded_as_one_by_one(values, good):
    """The same records, and the same values found invalid, whatever stands beside them."""
    values = values[:2] + [CODEC.encode(FULL)] * good + values[2:]
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
        found = comparable(CODEC.decode_inputs([*good, value]))
        assert found == comparable(one_by_one([*good, value])), value.hex()
        invalid += found[-1] == "invalid"
    assert invalid > 100


def test_without_the_batch_decoder_the_same(monkeypatch):
    """The extra that brings it is not needed to read a topic."""
    assert codec_module.deserialize_array is not None
    values = [CODEC.encode(record) for record in INPUTS * 5] + [None, b"", *list(_spoiled())[:50]]
    batched = comparable(CODEC.decode_inputs(values))
    monkeypatch.setattr(codec_module, "deserialize_array", None)
    assert comparable(CODEC.decode_inputs(values)) == batched == comparable(one_by_one(values))


def test_all_records_that_may_come_in_have_a_tuple():
    """The list of input records is that of the test's own examples."""
    assert {type(record).__name__ for record in INPUTS} == set(INPUT_RECORDS)
