"""The catalog of Avro schemas: the project's own, and those of writers that are older or newer.

A schema's id on the wire is what a registry gave it or, without a registry, a 31-bit fingerprint:
the first 4 bytes, big-endian, of SHA-256 over the Parsing Canonical Form, without the top bit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache, lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

from fastavro.schema import SchemaParseException, parse_schema, to_parsing_canonical_form

from journeys.schemas.admission import bare_schema, why_not_admitted, why_too_deep
from journeys.schemas.bounded_body import BoundedFields, SchemaRefusedError
from journeys.schemas.columns import has_columns
from journeys.schemas.compatibility import why_unreadable
from journeys.schemas.invalid import InvalidRecordError

INPUT_RECORDS: Final = (
    "Touchpoint",
    "JourneyRegistered",
    "JourneySignal",
    "JourneyCommand",
    "PolicyChanged",
    "Punctuation",
    "ClockCorrected",
    "TimeSourceChanged",
)
MARK_RECORDS: Final = ("OffsetSkipped", "SchemaDecided")
"""Records of the input topic that say how others are read."""
_NAMESPACE = "gaelp.journeys."
# A text may be long, and few are in use at a time.
_REMEMBERED_TEXTS: Final = 64
# Of what a foreign schema says: a dead letter's reason quotes it.
_SHOWN_CHARACTERS: Final = 200


class WriterSchema:
    """A schema that some writer used, ready to be read into the project's own record of that name."""

    __slots__ = ("bounded", "field_names", "has_columns", "is_own", "name", "parsed", "plain_json", "reader")
    is_own: bool

    def __init__(self, name: str, schema: dict[str, Any], own: dict[str, Any]) -> None:
        """Raises SchemaParseException, SchemaRefusedError, and what fastavro raises for JSON that is no schema."""
        self.name = name
        plain = bare_schema(schema)
        self.plain_json = json.dumps(plain)
        self.field_names = [field["name"] for field in plain["fields"]]
        self.is_own = to_parsing_canonical_form(plain) == to_parsing_canonical_form(own)
        self.has_columns = has_columns(plain["fields"])
        own_names = {field["name"] for field in own["fields"]}
        self.bounded = BoundedFields(parse_schema(plain), own_names.__contains__)
        known = [field for field in plain["fields"] if field["name"] in own_names]
        self.parsed = parse_schema(plain | {"fields": known})
        """The writer's schema of the fields that the project's record has, too."""
        self.reader = None if self.is_own else parse_schema(bare_schema(own))


class Catalog:
    """Schemas by wire id. Pure: whoever has a registry adds what it answers."""

    def __init__(self) -> None:
        self._own = dict(own_schemas())
        self._writers: dict[int, WriterSchema] = {}
        self._refused: dict[int, str] = {}
        self._ids: dict[str, int] = {}
        for name, schema in self._own.items():
            self._ids[name] = fingerprint(schema)
            self.add(self._ids[name], schema)
        for schema in earlier_schemas():
            self.add(fingerprint(schema), schema)
        self._fingerprints = frozenset(self._writers)

    def add(self, schema_id: int, schema: Any) -> None:
        """Take a writer's schema (parsed JSON) under its id; one that can't or must not be read is kept as refused."""
        self._keep(schema_id, _writer_of(schema, self._own))

    def learn(self, schema_id: int, text: str) -> None:
        """Take the text of a writer's schema under its id; one that is not admitted or not readable is refused."""
        self._keep(schema_id, read_schema(text))

    def refuse(self, schema_id: int, why: str) -> None:
        """Refuse all records of an id; `why` ends the reason of their dead letters."""
        self._keep(schema_id, why)

    def _keep(self, schema_id: int, found: WriterSchema | str) -> None:
        if isinstance(found, str):
            self._refused[schema_id] = found
        else:
            self._writers[schema_id] = found
            self._refused.pop(schema_id, None)

    def use_id(self, name: str, schema_id: int) -> None:
        """Write records of `name` under an id that a registry gave."""
        self._ids[name] = schema_id
        self.add(schema_id, self._own[name])

    def id_of(self, name: str) -> int:
        """Wire id under which records of `name` are written."""
        return self._ids[name]

    def knows(self, schema_id: int) -> bool:
        """Whether the id needs no asking: its schema is here, readable or refused."""
        return schema_id in self._writers or schema_id in self._refused

    def is_fingerprint(self, schema_id: int) -> bool:
        """Whether the id is the fingerprint of one of the project's schemas: no registry is asked for it."""
        return schema_id in self._fingerprints

    def writer(self, schema_id: int) -> WriterSchema:
        """Schema under a wire id; raises InvalidRecordError for an unknown or refused one."""
        writer = self._writers.get(schema_id)
        if writer is None:
            raise unreadable(schema_id, self._refused.get(schema_id, UNKNOWN_SCHEMA))
        return writer


UNKNOWN_SCHEMA: Final = "no such schema is known here, nor in the registry if one is set"


def unreadable(schema_id: int, why: str) -> InvalidRecordError:
    """The error of a record whose schema can't be read."""
    return InvalidRecordError("schema id", schema_id, f"the id of a readable schema ({why})")


@lru_cache(_REMEMBERED_TEXTS)
def read_schema(text: str) -> WriterSchema | str:
    """A writer's schema of its text, or why its records can't be read here."""
    why = why_not_admitted(text)
    if why is not None:
        return why
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError):
        return "not an Avro schema: no JSON"
    return _writer_of(schema, own_schemas())


def _writer_of(schema: Any, own_schemas: Mapping[str, dict[str, Any]]) -> WriterSchema | str:
    """A writer's schema, or why its records can't be read here."""
    name = schema.get("name") if isinstance(schema, dict) else None
    name = name.rpartition(".")[2][:_SHOWN_CHARACTERS] if isinstance(name, str) else ""
    own = own_schemas.get(name)
    if own is None:
        return f"no record {name!r} is known here"
    why = why_too_deep(schema)
    if why is not None:
        return why
    try:
        return why_unreadable(own, schema) or WriterSchema(name, schema, own)
    except SchemaRefusedError as error:
        return str(error)
    # fastavro raises what its code happens to meet on JSON that is no schema; avro is laxer, as about defaults.
    except Exception as error:
        why = str(error) if isinstance(error, SchemaParseException) else type(error).__name__
        return f"not an Avro schema: {why[:_SHOWN_CHARACTERS]}"


def fingerprint(schema: dict[str, Any]) -> int:
    """31-bit id of a schema, the same in every language that computes it by the rule above."""
    digest = sha256(to_parsing_canonical_form(schema).encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF


@cache
def own_schemas() -> dict[str, dict[str, Any]]:
    """Return the project's schemas by record name, as in schemas/avro."""
    loaded = _load("avro")
    return {schema["name"]: schema for schema in loaded}


def earlier_schemas() -> list[dict[str, Any]]:
    """Versions that were once the project's own, so that their records stay readable without a registry."""
    return _load("avro", "earlier")


def _load(*folder: str) -> list[dict[str, Any]]:
    place = files("journeys.schemas").joinpath(*folder)
    if not place.is_dir():
        return []
    names = sorted(entry.name for entry in place.iterdir() if entry.name.endswith(".avsc"))
    return [json.loads(place.joinpath(name).read_text(encoding="utf-8")) for name in names]


def full_name(name: str) -> str:
    """Full Avro name of one of the project's records."""
    return _NAMESPACE + name
