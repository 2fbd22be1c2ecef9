"""Admission of schemas that other writers made: the one place that says whether a schema's text is looked at.

What passes here is held against Avro's rules (journeys.schemas.compatibility) and against what a body under it may cost
(journeys.schemas.bounded_body). All three are part of the rule: they depend on the schema alone, so every reader
of a log decides alike. The constants are the rule's, too, and no settings: another value would decide other records.
"""

from __future__ import annotations

import json
from typing import Any, Final

LONGEST_SCHEMA_BYTES: Final = 256 * 1024
"""Largest text of a schema, in UTF-8. A mark carries it, and the table keeps the mark in one message."""
DEEPEST_JSON: Final = 100
"""Most objects and lists within one another: four for each of the types that may be. The libraries call themselves some
three times at each level, and Python has 1,000 calls within one another, of which the caller has used some."""

_TOO_DEEP: Final = f"its JSON nests more than {DEEPEST_JSON} levels deep"
# What bytes on the wire depend on. Other attributes are for people, or for a library that takes them for its own.
_KEPT: Final = frozenset(
    {"type", "name", "namespace", "aliases", "fields", "default", "items", "values", "symbols", "size"}
)


def why_not_admitted(text: str) -> str | None:
    """Why records of a writer's schema are never decoded, in words; None where nothing speaks against it.

    `text` is the schema's JSON as a registry, a mark or a row of the table has it, not parsed yet. This is asked before
    anything else is done with it. Never raises.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "its text can't be written in UTF-8"
    if size > LONGEST_SCHEMA_BYTES:
        return f"its text has {size} bytes, at most {LONGEST_SCHEMA_BYTES} are taken"
    try:
        return why_too_deep(json.loads(text))
    except RecursionError:
        return _TOO_DEEP
    except ValueError:
        return "it is no JSON"


def why_too_deep(schema: Any) -> str | None:
    """Why parsed JSON nests too deep for the libraries, which call themselves at each level; None where it doesn't."""
    level = [schema]
    for _ in range(DEEPEST_JSON + 1):
        level = [
            item
            for holder in level
            if isinstance(holder, dict | list)
            for item in (holder.values() if isinstance(holder, dict) else holder)
        ]
        if not level:
            return None
    return _TOO_DEEP


def bare_schema(schema: Any) -> Any:
    """The schema with what the bytes of its records depend on, and nothing else: instants are plain longs."""
    if isinstance(schema, dict):
        return {key: value if key == "default" else bare_schema(value) for key, value in schema.items() if key in _KEPT}
    if isinstance(schema, list):
        return [bare_schema(item) for item in schema]
    return schema
