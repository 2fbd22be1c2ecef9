"""Instants as options: RFC 3339 or epoch milliseconds, the same as in lines."""

from __future__ import annotations

import typer

from journeys.schemas.instants import parse_instant
from journeys.schemas.invalid import InvalidRecordError


def instant(text: str) -> int:
    """Epoch milliseconds of an option's value. Raises typer.BadParameter."""
    value: str | int = int(text) if text.isascii() and text.isdigit() else text
    try:
        return parse_instant(value, "instant")
    except InvalidRecordError as error:
        raise typer.BadParameter(str(error).removeprefix("instant: ")) from None
