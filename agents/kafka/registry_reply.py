"""What a schema registry answers, and what that says of a schema id."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from journeys.schemas.admission import LONGEST_SCHEMA_BYTES
from journeys.schemas.printable import printable

_SUCCESS: Final = range(200, 300)
_NOT_FOUND: Final = 404
# These speak of whoever asks, not of the id.
_NOT_LET_IN: Final = frozenset({401, 407})
_SHOWN_CHARACTERS: Final = 200
_SHOWN_WORD: Final = 40
_SHOWN_BYTES: Final = 4 * _SHOWN_CHARACTERS


class RegistryReply(NamedTuple):
    """Status, content encoding and the first bytes of a reply's body: more of them than are taken, if it has more."""

    status: int
    encoding: str
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the registry says that it has done what was asked."""
        return self.status in _SUCCESS

    @property
    def summary(self) -> str:
        """Status and beginning of the body, in one line."""
        text = self.body[:_SHOWN_BYTES].decode("utf-8", "replace")[:_SHOWN_CHARACTERS]
        return printable(f"{self.status} {text}").strip()

    def json(self) -> Any:
        """Content of the body; None where it is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class SchemaAnswer(NamedTuple):
    """What a registry says of an id: the text of its schema, why there is none, or what kept it from answering.

    `is_unknown`: it does not have the id (yet). `is_final`: it has it, and no other answer will come.
    """

    schema: str | None = None
    refusal: str | None = None
    fault: str | None = None
    is_unknown: bool = False
    is_final: bool = False
    retry_after_seconds: float | None = None


def answer_of(reply: RegistryReply) -> SchemaAnswer:
    """What a reply to the question for a schema id says."""
    if reply.status == _NOT_FOUND:
        return SchemaAnswer(refusal="the schema registry does not know it", is_unknown=True)
    if reply.status in _NOT_LET_IN:
        return SchemaAnswer(fault=reply.summary)
    why = _no_answer_at_all(reply)
    if why is not None:
        return SchemaAnswer(refusal=f"the schema registry answers {why}")
    answer = reply.json()
    schema = answer.get("schema") if isinstance(answer, dict) else None
    if not isinstance(schema, str):
        return SchemaAnswer(refusal=f"the schema registry answers without a schema: {reply.summary}")
    kind = answer.get("schemaType", "AVRO")
    if kind != "AVRO":
        return SchemaAnswer(refusal=f"its schema is {printable(str(kind))[:_SHOWN_WORD]}, not AVRO", is_final=True)
    if answer.get("references"):
        return SchemaAnswer(refusal="its schema refers to others", is_final=True)
    return SchemaAnswer(schema=schema)


def _no_answer_at_all(reply: RegistryReply) -> str | None:
    """What is wrong with a reply before its content is looked at."""
    if not reply.is_success:
        return reply.summary
    if reply.encoding not in ("", "identity"):
        return f"in the encoding {printable(reply.encoding)[:_SHOWN_WORD]}"
    if len(reply.body) > 2 * LONGEST_SCHEMA_BYTES:
        return f"more than {2 * LONGEST_SCHEMA_BYTES} bytes"
    return None
