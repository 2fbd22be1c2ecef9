"""A horizon as an option: days within which something must have come."""

from __future__ import annotations

import typer

_MOST_DAYS = 36_500


def horizon(text: str | float) -> float:
    """Days of an option's value. Raises typer.BadParameter."""
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days <= _MOST_DAYS:
        raise typer.BadParameter(f"{text!r} is not a number of days above 0 and at most {_MOST_DAYS}")
    return days
