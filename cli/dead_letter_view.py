"""One dead letter in full."""

from __future__ import annotations

from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from journeys.agents.inspect.dead_letter_retry import LostRecordError, whole_value
from journeys.agents.inspect.dead_letters import FoundLetter, Place, one_letter, retries
from journeys.agents.kafka.schema_registry import fetch_schemas
from journeys.agents.settings.settings import Settings
from journeys.schemas.catalog import Catalog
from journeys.schemas.instants import EARLIEST, LATEST, format_instant
from journeys.schemas.partial_record import read_partly

_SHOWN_CHARACTERS: Final = 400
_SHOWN_BYTES: Final = 64
_INSTANTS: Final = frozenset({"occurred_at", "at"})


async def show_letter(settings: Settings, place: Place, console: Console) -> None:
    """Print the letter of a record. Raises UnknownLetterError, and as `journeys.agents.inspect.dead_letters`."""
    found = await one_letter(settings, place)
    again = (await retries(settings, [found])).get(place, [])
    try:
        value, note = await whole_value(settings, found), ""
    except LostRecordError as error:
        value, note = found.letter.record_value, str(error)
    catalog = Catalog()
    await fetch_schemas(settings, catalog, [value])
    table = Table(show_header=False, show_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("", overflow="fold")
    for name, said in [*_facts(found, again, note), *_content(value, catalog)]:
        table.add_row(name, escape(said))
    console.print(table)


def _facts(found: FoundLetter, again: list[Place], note: str) -> list[tuple[str, str]]:
    letter = found.letter
    appended = "not said by the broker" if letter.append_time is None else format_instant(letter.append_time)
    facts = [
        ("record", str(found.origin)),
        ("dead letter", f"{found.at}, published at {format_instant(found.published_at)}"),
        ("reason", _shown(letter.reason)[1:-1]),
        ("appended at", appended),
        ("bytes", f"{letter.value_size:,}"),
        ("SHA-256", letter.value_sha256 or "of nothing: the value is null"),
        ("retried as", ", ".join(map(str, again)) or "not retried"),
        ("key", _key(letter.record_key)),
    ]
    return [*facts, ("record lost", note)] if note else facts


def _content(value: bytes | None, catalog: Catalog) -> list[tuple[str, str]]:
    """What the value says: its fields as far as they can be read, else its first bytes."""
    if value is None:
        return [("value", "null")]
    partly = read_partly(value, catalog)
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
    said = _shown(content)
    if name in _INSTANTS and isinstance(content, int) and EARLIEST <= content < LATEST:
        return f"{said} ({format_instant(content)})"
    return said


def _key(key: bytes | None) -> str:
    if key is None:
        return "none"
    try:
        return _shown(key.decode())
    except UnicodeDecodeError:
        return key[:_SHOWN_BYTES].hex(" ")


def _shown(content: Any) -> str:
    """Content as Python writes it, with nothing in it that moves a terminal's cursor."""
    said = repr(content)
    return said if len(said) <= _SHOWN_CHARACTERS else f"{said[:_SHOWN_CHARACTERS]}... ({len(said):,} characters)"
