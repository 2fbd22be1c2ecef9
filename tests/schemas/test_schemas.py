"""The contracts: documented, read by Avro's own package, and the same as the tuples and the topic map."""

from __future__ import annotations

import json
import typing
from importlib.resources import files

import avro.schema
import pytest

from journeys.schemas import records, rows
from journeys.schemas.catalog import INPUT_RECORDS, MARK_RECORDS, full_name, own_schemas
from journeys.schemas.codec import MAX_RECORD_BYTES
from journeys.schemas.topics import (
    DEAD_LETTERS,
    JOURNEY_ABANDONMENTS,
    JOURNEY_EVENTS,
    JOURNEY_LIFECYCLE,
    MAX_MESSAGE_BYTES,
    changelog_name,
    topic_map,
)
from journeys.streams.rule.row import STORED

SCHEMAS = own_schemas()
TUPLES = {name: getattr(records, name, None) or getattr(rows, name) for name in SCHEMAS if name != "JourneyRow"}
AVRO_TYPES = {"string": str, "long": int, "int": int, "double": float, "boolean": bool, "bytes": bytes}
schemas = pytest.mark.parametrize("name", sorted(SCHEMAS))


def plain_type(kind):
    """Python type of an Avro type, `X | None` for a union with null."""
    if isinstance(kind, list):
        assert kind[0] == "null"
        assert len(kind) == 2
        return plain_type(kind[1]) | None
    if isinstance(kind, dict) and kind["type"] == "map":
        return dict[str, plain_type(kind["values"])]
    return AVRO_TYPES[kind["type"] if isinstance(kind, dict) else kind]


def test_the_schemas_are_these():
    """Nineteen records, each in a file of its name."""
    assert len(SCHEMAS) == 19
    for entry in files("journeys.schemas").joinpath("avro").iterdir():
        if entry.name.endswith(".avsc"):
            name = json.loads(entry.read_text(encoding="utf-8"))["name"]
            assert entry.name.removesuffix(".avsc").replace("_", "") == name.lower()


@schemas
def test_everything_is_documented(name):
    """The record and each of its fields has a doc, a sentence with its full stop."""
    schema = SCHEMAS[name]
    undocumented = [field["name"] for field in schema["fields"] if not field.get("doc", "").endswith(".")]
    assert undocumented == []
    assert schema["doc"]


@schemas
def test_the_package_avro_reads_it(name):
    """Under its full name, with all its fields."""
    parsed = avro.schema.parse(json.dumps(SCHEMAS[name]))
    assert parsed.fullname == full_name(name) == f"gaelp.journeys.{name}"
    assert [field.name for field in parsed.fields] == [field["name"] for field in SCHEMAS[name]["fields"]]


@pytest.mark.parametrize("name", sorted(TUPLES))
def test_fields_are_those_of_the_tuple_in_order(name):
    """The batch decoder fills tuples by position: one field out of place would be another field's value."""
    assert tuple(field["name"] for field in SCHEMAS[name]["fields"]) == TUPLES[name]._fields


@pytest.mark.parametrize("name", sorted(TUPLES))
def test_types_are_those_of_the_tuple(name):
    """Numbers, text, and what may be null."""
    hints = typing.get_type_hints(TUPLES[name])
    for field in SCHEMAS[name]["fields"]:
        assert hints[field["name"]] == plain_type(field["type"]), field["name"]


def test_fields_of_the_journey_row_are_those_stored_in_order():
    """The row has no tuple; what it stores is said in a list."""
    assert tuple(field["name"] for field in SCHEMAS["JourneyRow"]["fields"]) == STORED


@schemas
def test_what_may_be_null_is_null_by_default(name):
    """So that a reader of this version takes records from before the field."""
    for field in SCHEMAS[name]["fields"]:
        if isinstance(field["type"], list):
            assert field["default"] is None, field["name"]
        else:
            assert "default" not in field, field["name"]


@schemas
def test_every_instant_of_a_topic_is_one_of_avro(name):
    """Fields called _at, and only they, are milliseconds to every Avro tool; rows are nobody else's."""
    if name.endswith("Row"):
        return
    for field in SCHEMAS[name]["fields"]:
        kind = field["type"][1] if isinstance(field["type"], list) else field["type"]
        is_instant = isinstance(kind, dict) and kind.get("logicalType") == "timestamp-millis"
        assert is_instant == (field["name"].endswith("_at") or field["name"] in ("at", "append_time")), field["name"]


@schemas
def test_a_row_begins_with_its_offset(name):
    """A restore reads it without decoding the rest."""
    if name.endswith("Row"):
        first = SCHEMAS[name]["fields"][0]
        assert (first["name"] in ("offset", "applied_offset"), first["type"]) == (True, "long")


def test_every_record_has_its_topic():
    """Each schema is on exactly one topic; those of the input topic are the input records."""
    topics = topic_map("app")
    told = [record for topic in topics for record in topic.records]
    assert sorted(told) == sorted(SCHEMAS)
    by_name = {topic.name: topic for topic in topics}
    assert set(by_name[JOURNEY_EVENTS].records) == {*INPUT_RECORDS, *MARK_RECORDS}
    assert by_name[JOURNEY_ABANDONMENTS].records == ("JourneyAbandoned",)
    assert by_name[JOURNEY_LIFECYCLE].records == ("JourneyLifecycle",)
    assert by_name[DEAD_LETTERS].records == ("DeadLetter",)
    assert set(by_name) == {
        JOURNEY_EVENTS,
        JOURNEY_ABANDONMENTS,
        JOURNEY_LIFECYCLE,
        DEAD_LETTERS,
        changelog_name("app"),
    }


def test_settings_of_the_topics():
    """Records are kept for ever and never compacted, the changelog is compacted only, and not within a day."""
    *kept, changelog = topic_map("app")
    assert [topic.cleanup_policy for topic in kept] == ["delete"] * 4
    assert [topic.settings["retention.ms"] for topic in kept] == ["-1"] * 4
    assert [topic.settings["retention.bytes"] for topic in kept] == ["-1"] * 4
    assert changelog.settings == {
        "cleanup.policy": "compact",
        "min.compaction.lag.ms": "86400000",
        "delete.retention.ms": "86400000",
        "max.message.bytes": "1048576",
        "message.timestamp.type": "LogAppendTime",
        "unclean.leader.election.enable": "false",
        "compression.type": "producer",
    }
    assert {topic.settings["compression.type"] for topic in kept} == {"zstd"}
    assert {topic.settings["unclean.leader.election.enable"] for topic in kept} == {"false"}
    assert {topic.settings["message.timestamp.type"] for topic in kept} == {"LogAppendTime"}
    events = kept[0].settings
    assert (kept[0].name, events["message.timestamp.type"]) == (JOURNEY_EVENTS, "LogAppendTime")
    assert int(events["max.message.bytes"]) == MAX_MESSAGE_BYTES > MAX_RECORD_BYTES


def test_topics_do_not_share_settings():
    """Whoever changes the settings of one topic leaves the others alone."""
    one, other = topic_map("app")[1:3]
    one.settings["retention.ms"] = "5"
    assert other.settings["retention.ms"] == "-1"
    assert topic_map("app")[1].settings["retention.ms"] == "-1"


def test_keys_of_the_table():
    """The kinds of rows never share a key, and a journey's key gives its id back."""
    assert rows.journey_key("journey-ä") == b"jjourney-\xc3\xa4"
    assert rows.journey_of(rows.journey_key("journey-ä")) == "journey-ä"
    assert rows.journey_of(rows.policy_key("v1")) is None
    assert rows.journey_of(rows.PARTITION_KEY) is None
    assert len({rows.PARTITION_KEY[:1], rows.policy_key("x")[:1], rows.journey_key("x")[:1]}) == 3


def test_words_are_those_that_the_contracts_promise():
    """States, signals, commands, time sources, reasons: each is in the doc of its field."""
    for name, field, words in (
        ("Touchpoint", "state", records.STATES),
        ("JourneySignal", "signal", records.SIGNALS),
        ("JourneyCommand", "command", records.COMMANDS),
        ("Punctuation", "time_source", records.TIME_SOURCES),
        ("JourneyAbandoned", "abandonment_reason", records.REASONS),
    ):
        doc = next(one["doc"] for one in SCHEMAS[name]["fields"] if one["name"] == field)
        assert [word for word in words if word not in doc] == []
    assert set(records.SIGNALS.values()) < set(records.REASONS)
