"""A value that may be no record, read as far as it is one: for people who look for what is wrong with it."""

from __future__ import annotations

from io import BytesIO
from typing import Any, NamedTuple

from fastavro import parse_schema, schemaless_reader

from journeys.schemas.catalog import Catalog
from journeys.schemas.codec import HEADER_BYTES, schema_id_of
from journeys.schemas.invalid import InvalidRecordError


class PartialRecord(NamedTuple):
    """What could be read: fields as their writer named them, in order, and what stopped it (empty: nothing)."""

    name: str
    fields: dict[str, Any]
    stopped: str


def read_partly(value: bytes, catalog: Catalog) -> PartialRecord:
    """Read fields one after the other until one can't be. Without a prefix or a known schema there are none."""
    try:
        writer = catalog.writer(schema_id_of(value))
    except InvalidRecordError as error:
        return PartialRecord("", {}, str(error))
    body = BytesIO(value)
    body.seek(HEADER_BYTES)
    fields: dict[str, Any] = {}
    for field in writer.parsed["fields"]:
        begin = body.tell()
        try:
            fields[field["name"]] = schemaless_reader(body, parse_schema(field["type"]), None)
        except Exception:  # fastavro raises what its C code happens to meet, as in journeys.schemas.codec
            return PartialRecord(writer.name, fields, f"{field['name']} can't be read at byte {begin} of {len(value)}")
    behind = len(value) - body.tell()
    return PartialRecord(writer.name, fields, f"{behind} bytes behind the record" if behind else "")
