"""Other versions of a schema: read by Avro's rules, or refused with the reason."""

from __future__ import annotations

import copy
from io import BytesIO

import pytest
from fastavro import parse_schema, schemaless_writer

from journeys.schemas.admission import bare_schema
from journeys.schemas.catalog import Catalog, fingerprint, own_schemas
from journeys.schemas.codec import HEADER_BYTES, Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import Punctuation
from tests.fixtures.record_examples import FULL, SMALL, T0

CODEC = Codec()


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
    schemaless_writer(out, parse_schema(bare_schema(schema)), fields)
    return out.getvalue()


NULLABLE = {"name": "campaign", "type": ["null", "string"], "default": None}
# Read under the wrong schema, the channel would be taken for the event type without any error.
FIELDS = own_schemas()["Touchpoint"]["fields"]
PLACE = {"channel": "event_type", "event_type": "channel"}
EXCHANGED = [next(one for one in FIELDS if one["name"] == PLACE.get(field["name"], field["name"])) for field in FIELDS]
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
    "two fields of one type in the other order": (
        version("Touchpoint") | {"fields": EXCHANGED},
        {"channel": "search", "event_type": "click"},
    ),
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
    expected = SMALL._replace(**{field: value for field, value in more.items() if field in SMALL._fields})
    assert Codec(catalog).decode_input(value) == expected
    assert Codec(catalog).decode_inputs([value] * 9) == [expected] * 9
    assert Codec(catalog).decode_all_fields("Touchpoint", [value] * 9) == [expected._asdict()] * 9


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
    with pytest.raises(InvalidRecordError, match=r"schema id: 77 is not allowed.*no such schema is known"):
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
