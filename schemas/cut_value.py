"""A value of which only the beginning is in memory: longer than any record may be, so nobody needs the rest of it."""

from __future__ import annotations


class CutValue(bytes):
    """The beginning of a value, longer than the contract allows, with what a dead letter says of the whole."""

    whole_bytes: int
    whole_sha256: str

    @classmethod
    def of(cls, beginning: bytes, whole_bytes: int, whole_sha256: str) -> CutValue:
        """The beginning of a value of so many bytes with this hash, in hex."""
        value = cls(beginning)
        value.whole_bytes, value.whole_sha256 = whole_bytes, whole_sha256
        return value


def size_of(value: bytes) -> int:
    """Bytes of a value, those included that were cut off."""
    return value.whole_bytes if isinstance(value, CutValue) else len(value)
