"""Where two records of one kind differ, field by field, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from journeys.schemas.instants import format_instant

_SHOWN_FIELDS: Final = 5


def field_difference(is_: Mapping[str, Any], should: Mapping[str, Any], said_by: str) -> str:
    """Fields of `is_` that are otherwise in `should`, the first few in words; empty if none is.

    `said_by` is who says what should be, with its verb: "the replay says".
    """
    said = [
        f"{name} is {_shown(name, value)}, {said_by} {_shown(name, should[name])}"
        for name, value in is_.items()
        if value != should[name]
    ]
    more = len(said) - _SHOWN_FIELDS
    return "; ".join(said[:_SHOWN_FIELDS]) + (f"; and {more} more fields" if more > 0 else "")


def _shown(name: str, value: Any) -> str:
    # A row's instant of 0 is none: no episode is open.
    return format_instant(value) if name.endswith("_at") and isinstance(value, int) and value > 0 else repr(value)
