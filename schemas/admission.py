"""Admission of schemas that other writers made: the one place that says whether records under one may be decoded."""

from __future__ import annotations

from typing import Final

LONGEST_SCHEMA_BYTES: Final = 256 * 1024
"""Largest text of a schema, in UTF-8. A mark carries it, and the table keeps the mark in one message."""


def why_not_admitted(text: str) -> str | None:
    """Why records of a writer's schema are never decoded, in words; None where nothing speaks against it.

    `text` is the schema's JSON as a registry, a mark or a row of the table has it, not parsed yet. This is asked before
    anything else is done with it; what passes is then held against Avro's rules. The answer is part of the rule: it
    depends on the text alone, it becomes the refusal of the id's SchemaDecided, and every reader of a mark asks again.
    Never raises.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "its text can't be written in UTF-8"
    if size > LONGEST_SCHEMA_BYTES:
        return f"its text has {size} bytes, at most {LONGEST_SCHEMA_BYTES} are taken"
    return None
