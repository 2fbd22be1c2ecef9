"""Values as --json prints them: instants as RFC 3339 in UTC, everything else as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from journeys.schemas.instants import format_instant


def json_instant(at: int | None) -> str | None:
    """An instant (epoch ms) as text."""
    return None if at is None else format_instant(at)


def json_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a record or row; those named `..._at` are instants (epoch ms)."""
    return {
        name: json_instant(value) if name.endswith("_at") and isinstance(value, int) else value
        for name, value in values.items()
    }


def json_attributes(source: object, names: Iterable[str]) -> dict[str, Any]:
    """Some attributes of an object, under their names."""
    return json_fields({name: getattr(source, name) for name in names})
