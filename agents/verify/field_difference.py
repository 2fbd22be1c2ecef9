"""Describes the fields in which two records of one type differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from journeys.schemas.instants import format_instant

_SHOWN_FIELDS: Final = 5


def field_difference(actual: Mapping[str, Any], expected: Mapping[str, Any], source: str) -> str:
    """Text about the fields that differ, the first five of them; empty if none does.

    `source` introduces the expected value, such as "the replay says".
    """
    differences = [
        f"{name} is {_shown(name, value)}, {source} {_shown(name, expected[name])}"
        for name, value in actual.items()
        if value != expected[name]
    ]
    more = len(differences) - _SHOWN_FIELDS
    return "; ".join(differences[:_SHOWN_FIELDS]) + (f"; and {more} more fields" if more > 0 else "")


def _shown(name: str, value: Any) -> str:
    # In a row, the instant 0 means none.
    return format_instant(value) if name.endswith("_at") and isinstance(value, int) and value > 0 else repr(value)
