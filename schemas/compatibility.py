"""Whether records written under one schema can be read under another, by Avro's own rules."""

from __future__ import annotations

import json
from typing import Any, Final

from journeys.schemas.admission import bare_schema

# A union of thousands of branches gives a message for each.
_SHOWN_MESSAGES: Final = 5
_SHOWN_CHARACTERS: Final = 500


def why_unreadable(reader: dict[str, Any], writer: dict[str, Any]) -> str | None:
    """None if `reader` can read what `writer` wrote, else the reason in words."""
    if reader == writer:
        return None
    # Imported late: only schemas of other versions need the checker, and starting up should not pay for it.
    from avro.compatibility import (  # noqa: PLC0415  (see above)
        ReaderWriterCompatibilityChecker,
        SchemaCompatibilityType,
    )
    from avro.errors import AvroException  # noqa: PLC0415  (see above)
    from avro.schema import parse  # noqa: PLC0415  (see above)

    try:
        result = ReaderWriterCompatibilityChecker().get_compatibility(
            parse(json.dumps(bare_schema(reader))), parse(json.dumps(bare_schema(writer)))
        )
    except AvroException as error:
        return f"not an Avro schema: {str(error)[:_SHOWN_CHARACTERS]}"
    if result.compatibility is not SchemaCompatibilityType.compatible:
        messages, places = (sorted(said)[:_SHOWN_MESSAGES] for said in (result.messages, result.locations))
        return f"{'; '.join(messages)} at {', '.join(places)}"[:_SHOWN_CHARACTERS]
    return _other_unit(reader, writer)


def _other_unit(reader: dict[str, Any], writer: dict[str, Any]) -> str | None:
    """Avro resolves a long of microseconds as one of milliseconds without a word; this does not."""
    units = {field["name"]: _logical_type(field["type"]) for field in reader["fields"]}
    for field in writer["fields"]:
        written = _logical_type(field["type"])
        if written and field["name"] in units and written != units[field["name"]]:
            return f"{field['name']} is {written}, not {units[field['name']]}"
    return None


def _logical_type(kind: Any) -> str | None:
    if isinstance(kind, list):
        return next((found for item in kind if (found := _logical_type(item))), None)
    return kind.get("logicalType") if isinstance(kind, dict) else None
