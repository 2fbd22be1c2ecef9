"""A value that may be no record, read as far as it is one: for people who look for what is wrong with it."""

from __future__ import annotations

import json
from bisect import bisect_left
from contextlib import suppress
from io import BytesIO
from typing import Any, NamedTuple, cast

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
    schema = json.loads(writer.plain_json)
    bounds: list[int] = [HEADER_BYTES]
    with suppress(IndexError, ValueError):
        for end_of in writer.bounded.by_name.values():
            bounds.append(end_of(value, bounds[-1]))

    def first(count: int) -> dict[str, Any] | None:
        """So many fields from the first one on, unless one of them is text that is no UTF-8."""
        few = parse_schema(schema | {"fields": schema["fields"][:count]})
        try:
            return cast("dict[str, Any]", schemaless_reader(BytesIO(value[HEADER_BYTES : bounds[count]]), few, None))
        except Exception:  # fastavro raises what its C code happens to meet, as in journeys.schemas.codec
            return None

    readable = bisect_left(range(1, len(bounds)), True, key=lambda count: first(count) is None)
    fields = first(readable) or {}
    if readable < len(schema["fields"]):
        name = schema["fields"][readable]["name"]
        stopped = f"{name} can't be read at byte {bounds[readable]} of {len(value)}"
        return PartialRecord(writer.name, fields, stopped)
    behind = len(value) - bounds[-1]
    return PartialRecord(writer.name, fields, f"{behind} bytes behind the record" if behind else "")
