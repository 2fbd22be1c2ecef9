"""The wire format: its bytes, its ids, its limits, and what is said of a value that is wrong."""

from __future__ import annotations

import pytest

from journeys.schemas.catalog import INPUT_RECORDS, fingerprint, own_schemas
from journeys.schemas.codec import MAX_RECORD_BYTES, Codec, check_frame, schema_id_of
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import JourneyCommand, JourneyRegistered, JourneySignal, PolicyChanged, Punctuation
from tests.fixtures.record_examples import FULL, INPUTS, OTHERS, SMALL, T0

CODEC = Codec()


def test_the_bytes_on_the_wire():
    """Byte 0, the schema's id in 4 bytes big-endian, the fields in Avro binary."""
    assert CODEC.encode(SMALL).hex(" ") == (
        "00 47 2c be 54 "  # prefix
        "02 6a "  # journey_id: length 1, j
        "00 "  # user_id: null
        "02 74 "  # touchpoint_id: length 1, t
        "80 80 e6 82 b9 66 "  # occurred_at
        "00 00 00 "  # channel, event_type, state: null
        "00 "  # cost_micros: 0
        "00 00 00 00 00 00"  # the other six: null
    )
    assert CODEC.encode(FULL).hex() == (
        "00472cbe54"
        "146a6f75726e65792dc3a4020875736572047431"
        "8080e682b966"
        "020c736561726368020a636c69636b020a4157415245"
        "c08db701"
        "02000000000000d03f"
        "0280aaea55"
        "0206616374020c626964732d31"
        "02000000000000e03f"
        "02066e6577"
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
        "ClockCorrected": 959351438,
        "DeadLetter": 1897475313,
        "JourneyAbandoned": 1094757121,
        "JourneyCommand": 1783465428,
        "JourneyLifecycle": 1040380536,
        "JourneyRegistered": 2106725166,
        "JourneyRow": 1059035000,
        "JourneySignal": 890124556,
        "MarkRow": 1841349407,
        "OffsetSkipped": 992223210,
        "PartitionRow": 1349912900,
        "PolicyChanged": 1214401913,
        "PolicyRow": 1005447428,
        "Punctuation": 1727689279,
        "SchemaDecided": 292242156,
        "SchemaRow": 1464780102,
        "StartRow": 1732067820,
        "TimeSourceChanged": 713435620,
        "Touchpoint": 1194114644,
    }


def test_a_fingerprint_is_of_the_canonical_form():
    """Docs and defaults may change under the same id, a type or a name may not."""
    own = own_schemas()["Punctuation"]
    assert fingerprint(own | {"doc": "Something else."}) == fingerprint(own)
    assert fingerprint(own | {"name": "Tick"}) != fingerprint(own)
    other_type = [field | {"type": "int"} if field["name"] == "at" else field for field in own["fields"]]
    assert fingerprint(own | {"fields": other_type}) != fingerprint(own)
    assert all(0 <= fingerprint(schema) < 2**31 for schema in own_schemas().values())


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (None, "value: None is not allowed"),
        (b"", "Confluent's wire format"),
        (b"\x00\x47\x2c\xbe", "Confluent's wire format"),
        (b'{"journey_id": "j"}', "Confluent's wire format"),
        (b"\x01" + CODEC.encode(SMALL)[1:], "Confluent's wire format"),
        (CODEC.encode(SMALL)[:5], "Avro of Touchpoint"),
        (CODEC.encode(SMALL)[:-1], "Avro of Touchpoint"),
        (b"\x00" * (MAX_RECORD_BYTES + 1), "at most 1048576 bytes"),
        (CODEC.encode(SMALL._replace(cost_micros=-1)), "cost_micros: -1"),
        (CODEC.encode(SMALL._replace(conversion_probability=float("nan"))), "conversion_probability: nan"),
        (CODEC.encode(SMALL._replace(propensity=float("inf"))), "propensity: inf"),
        (CODEC.encode(SMALL._replace(state="HAPPY")), "state: 'HAPPY'"),
        (CODEC.encode(SMALL._replace(segment="")), "segment: ''"),
        (CODEC.encode(SMALL._replace(segment="x" * 201)), "segment: '201 characters'"),
        (CODEC.encode(SMALL._replace(segment="x" * 1001)), "segment: '1001 characters'"),
        (CODEC.encode(SMALL._replace(journey_id="")), "journey_id: ''"),
        (CODEC.encode(SMALL._replace(touchpoint_id="")), "touchpoint_id: ''"),
        (CODEC.encode(SMALL._replace(occurred_at=0)), "occurred_at: 0"),
        (CODEC.encode(SMALL._replace(occurred_at=2**62)), "occurred_at: 4611"),
        (CODEC.encode(SMALL._replace(conversion_value_micros=-1)), "conversion_value_micros: -1"),
        (CODEC.encode(JourneyRegistered("j", None, T0, timeout_ms=0)), "timeout_ms: 0"),
        (CODEC.encode(JourneyRegistered("j", None, T0, inactivity_ms=-1)), "inactivity_ms: -1"),
        (CODEC.encode(JourneyRegistered("j", None, T0, budget_micros=0)), "budget_micros: 0"),
        (CODEC.encode(JourneyRegistered("j", None, T0, segment="")), "segment: ''"),
        (CODEC.encode(JourneyRegistered("j", None, T0, segment="x" * 201)), "segment: '201 characters'"),
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
    """One byte more is refused."""
    spare = MAX_RECORD_BYTES - len(CODEC.encode(PolicyChanged("v", "x" * 1_000_000, T0)))
    greatest = PolicyChanged("v", "x" * (1_000_000 + spare), T0)
    value = CODEC.encode(greatest)
    assert len(value) == MAX_RECORD_BYTES
    assert CODEC.decode_inputs([value] * 9) == [greatest] * 9
    more = CODEC.encode(greatest._replace(policy_version="vv"))
    with pytest.raises(InvalidRecordError, match="'1048577 bytes' is not allowed; expected at most 1048576 bytes"):
        CODEC.decode_input(more)


@pytest.mark.parametrize("field", ["journey_id", "user_id", "touchpoint_id", "channel", "action_id", "policy_version"])
def test_the_longest_text_has_a_thousand_characters(field):
    """Of a touchpoint, alone and in a batch: rows and outputs repeat it, and must fit one message."""
    longest, longer = (SMALL._replace(**{field: "\U0001f6d2" * length}) for length in (1000, 1001))
    value = CODEC.encode(longest)
    assert CODEC.decode_inputs([value] * 9) == [longest] * 9
    assert CODEC.decode_input(value) == longest
    value = CODEC.encode(longer)
    complaint = f"{field}: '1001 characters' is not allowed; expected at most 1000 characters"
    assert [str(error) for error in CODEC.decode_inputs([value] * 9)] == [complaint] * 9
    with pytest.raises(InvalidRecordError, match=complaint):
        CODEC.decode_input(value)


def test_the_longest_note_has_ten_thousand():
    """Of a signal or command; a policy may be as long as its record."""
    noted = JourneyCommand("j", T0, "abandon", note="x" * 10_000)
    assert CODEC.decode_input(CODEC.encode(noted)) == noted
    with pytest.raises(InvalidRecordError, match="note: '10001 characters'"):
        CODEC.decode_input(CODEC.encode(noted._replace(note="x" * 10_001)))
    changed = PolicyChanged("v", "x" * 100_000, T0)
    assert CODEC.decode_input(CODEC.encode(changed)) == changed


def test_the_head_of_a_value():
    """Its schema id, or an error."""
    assert schema_id_of(CODEC.encode(SMALL)) == 1194114644
    assert check_frame(CODEC.encode(SMALL)) is None
    with pytest.raises(InvalidRecordError):
        schema_id_of(b"\x00\x00")


def test_an_empty_batch():
    """Nothing in, nothing out."""
    assert CODEC.decode_inputs([]) == []


def test_all_records_that_may_come_in_have_a_tuple():
    """The list of input records is that of the test's own examples."""
    assert {type(record).__name__ for record in INPUTS} == set(INPUT_RECORDS)
