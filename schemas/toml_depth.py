"""Documents in TOML that nest deeper than any honest one: reading them takes time with the square of their depth."""

from __future__ import annotations

import re
from typing import Final

_DEEPEST: Final = 30
_DEEP_KEY: Final = re.compile(r"""(?:[\w"'-]+[ \t]*\.[ \t]*){30}""")
_BRACKETS: Final = re.compile(r"[\[\]{}]")


def too_deep(text: str) -> str | None:
    """What is nested too deep; None if nothing is."""
    if _DEEP_KEY.search(text):
        return f"a key of more than {_DEEPEST} parts"
    depth = 0
    for mark in _BRACKETS.findall(text):
        depth += 1 if mark in "[{" else -1
        if depth > _DEEPEST:
            return f"lists or tables nested more than {_DEEPEST} deep"
    return None
