"""The header with the input offset of a changelog tombstone: a tombstone has no value to carry it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

TOMBSTONE_OFFSET_HEADER: Final = "offset"


def tombstone_offset(headers: Iterable[tuple[str, bytes]]) -> int:
    """Input offset in the headers of a tombstone; -1 if there is none."""
    return next((int(value) for name, value in headers if name == TOMBSTONE_OFFSET_HEADER), -1)
