"""Rows as workers of other versions write them: one before the present one, one after it."""

import copy
import json
from io import BytesIO
from typing import Any

from fastavro import parse_schema, schemaless_writer

from schemas.catalog import fingerprint, own_schemas, without_logical_types
from schemas.codec import Codec
from schemas.rows import SchemaRow, schema_key
from streams.table import StoredRow

_OWN = own_schemas()["JourneyRow"]


def _with_fields(fields: list[dict[str, Any]]) -> dict[str, Any]:
    return copy.deepcopy(_OWN) | {"fields": fields}


BEFORE = _with_fields([field for field in _OWN["fields"] if field["name"] != "propensity"])
"""Without a nullable field that is there now."""
AFTER = _with_fields([*_OWN["fields"], {"name": "campaign", "type": ["null", "string"], "default": None}])
"""With a nullable field more."""


def head_of(schema_id: int) -> bytes:
    """First bytes of a value under a schema id: Confluent's wire format."""
    return b"\x00" + schema_id.to_bytes(4, "big")


def written_as(schema: dict[str, Any], fields: dict[str, Any]) -> bytes:
    """Wire bytes of a row under another version's schema."""
    out = BytesIO(head_of(fingerprint(schema)))
    out.seek(0, 2)
    schemaless_writer(out, parse_schema(without_logical_types(schema)), {"campaign": "spring"} | fields)
    return out.getvalue()


def schema_row(schema: dict[str, Any]) -> StoredRow:
    """The row by which a table tells one of its schemas."""
    number = fingerprint(schema)
    return StoredRow(schema_key(number), Codec().encode(SchemaRow(0, number, json.dumps(schema))), 0)
