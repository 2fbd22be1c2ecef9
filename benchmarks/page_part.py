"""A part of a page that is made of figures, between two lines that mark it."""

from __future__ import annotations

from pathlib import Path


def with_part(page: Path, text: str, begin: str, end: str, said: str) -> str:
    """The page's text with what is said between the marks; raises ValueError where one of them is missing."""
    before, begun, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"{page}: expected the lines {begin} and {end}")
    return f"{before}{begin}\n\n{said}\n\n{end}{after}"
