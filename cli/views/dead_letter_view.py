"""One dead letter in full."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from journeys.agents.inspect.dead_letter_retry import LostRecordError, whole_value
from journeys.agents.inspect.dead_letters import FoundLetter, Place, one_letter, retries
from journeys.agents.inspect.letter_schemas import LetterSchemas
from journeys.agents.settings.settings import Settings
from journeys.cli.screen import Screen, new_table
from journeys.schemas.catalog import Catalog
from journeys.schemas.instants import EARLIEST, LATEST, format_instant
from journeys.schemas.partial_record import PartialRecord, read_partly

_SHOWN_CHARACTERS: Final = 400
_SHOWN_BYTES: Final = 64
_INSTANTS: Final = frozenset({"occurred_at", "at"})


class DeadLetterView(NamedTuple):
    """A dead letter with where it was retried, its record's value as far as that is to be had, and why it is not."""

    dead: FoundLetter
    again: list[Place]
    value: bytes | None
    lost: str
    partly: PartialRecord | None

    def print_table(self) -> None:
        """Print it."""
        table = new_table("", "")
        for name, text in [*_facts(self.dead, self.again, self.lost), *_content(self.value, self.partly)]:
            table.add_row(name, text)
        Screen().print(table)

    def json(self) -> dict[str, Any]:
        """The same for --json; key and value in hexadecimal, fields as far as they can be read."""
        letter, partly = self.dead.letter, self.partly
        return {
            "record": str(self.dead.origin),
            "dead_letter": str(self.dead.at),
            "published_at": format_instant(self.dead.published_at),
            "reason": letter.reason,
            "appended_at": None if letter.append_time is None else format_instant(letter.append_time),
            "bytes": letter.value_size,
            "sha256": letter.value_sha256,
            "retries": [str(place) for place in self.again],
            "key_hex": None if letter.record_key is None else letter.record_key.hex(),
            "lost": self.lost or None,
            "record_name": None if partly is None else partly.name,
            "fields": {} if partly is None else {name: _json_value(value) for name, value in partly.fields.items()},
            "stopped": None if partly is None else partly.stopped or None,
            "value_hex": None if self.value is None else self.value.hex(),
        }


async def letter_view(settings: Settings, place: Place) -> DeadLetterView:
    """Read the letter of a record. Raises UnknownLetterError, and as `journeys.agents.inspect.dead_letters`."""
    dead = await one_letter(settings, place)
    again = (await retries(settings, [dead])).get(place, [])
    try:
        value, lost = await whole_value(settings, dead), ""
    except LostRecordError as error:
        value, lost = dead.letter.record_value, str(error)
    if value is None:
        return DeadLetterView(dead, again, None, lost, None)
    catalog = await LetterSchemas(settings, Catalog()).of(place, value)
    return DeadLetterView(dead, again, value, lost, read_partly(value, catalog))


def _facts(dead: FoundLetter, again: list[Place], note: str) -> list[tuple[str, str]]:
    letter = dead.letter
    appended = (
        "not known: the broker did not record it" if letter.append_time is None else format_instant(letter.append_time)
    )
    facts = [
        ("record", str(dead.origin)),
        ("dead letter", f"{dead.at}, published at {format_instant(dead.published_at)}"),
        ("reason", _shown(letter.reason)[1:-1]),
        ("appended at", appended),
        ("bytes", f"{letter.value_size:,}"),
        ("SHA-256", letter.value_sha256 or "of nothing: the value is null"),
        ("retried as", ", ".join(map(str, again)) or "not retried"),
        ("key", _key(letter.record_key)),
    ]
    return [*facts, ("record lost", note)] if note else facts


def _content(value: bytes | None, partly: PartialRecord | None) -> list[tuple[str, str]]:
    """The fields of the value as far as they can be read, else its first bytes."""
    if value is None or partly is None:
        return [("value", "null")]
    rows = [("value", partly.name or "no record that is known")]
    rows += [(f"  {field}", _field(field, content)) for field, content in partly.fields.items()]
    if partly.stopped and partly.name:
        rows.append(("  then", partly.stopped))
    if partly.stopped:
        rows += [
            ("first bytes", value[:_SHOWN_BYTES].hex(" ")),
            ("as text", _shown(value[:_SHOWN_BYTES].decode("utf-8", "replace"))),
        ]
    return rows


def _field(name: str, content: Any) -> str:
    text = _shown(content)
    if name in _INSTANTS and isinstance(content, int) and EARLIEST <= content < LATEST:
        return f"{text} ({format_instant(content)})"
    return text


def _json_value(content: Any) -> Any:
    if isinstance(content, bytes):
        return content.hex()
    return content if content is None or isinstance(content, str | int | float | bool) else repr(content)


def _key(key: bytes | None) -> str:
    if key is None:
        return "none"
    try:
        return _shown(key.decode())
    except UnicodeDecodeError:
        return key[:_SHOWN_BYTES].hex(" ")


def _shown(content: Any) -> str:
    """Content as Python writes it, cut to 400 characters."""
    text = repr(content)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}... ({len(text):,} characters)"
