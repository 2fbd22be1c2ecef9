"""The header by which a tombstone of the changelog carries the input offset that it stands for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

TOMBSTONE_OFFSET_HEADER: Final = "offset"


def tombstone_offset(headers: Iterable[tuple[str, bytes]]) -> int:
    """Input offset that a tombstone carries; -1 where it carries none."""
    return next((int(value) for name, value in headers if name == TOMBSTONE_OFFSET_HEADER), -1)
