"""Options that name files to write: no two may name one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import typer


def require_different(paths: Mapping[str, str | Path | None]) -> None:
    """Raise BadParameter if two options, by name, lead to one file, through whatever links."""
    seen: dict[object, str] = {}
    for option, path in paths.items():
        if path is None:
            continue
        place = _identity(str(path))
        if place in seen:
            raise typer.BadParameter(f"{seen[place]} and {option} name the same file")
        seen[place] = option


def _identity(path: str) -> object:
    if path == "-":
        return path
    place = Path(path)
    try:
        there = place.stat()
    except OSError:
        return str(place.resolve())
    return there.st_dev, there.st_ino
