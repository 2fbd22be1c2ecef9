"""Avro bodies, walked over by their schema without making anything of them: where a body ends, or that it can't be.

fastavro, which makes the values, loops as often as a body says and calls itself as deep as a schema says. So a body
is walked over first, and only the fields that the project's record has, too, are given to it. The rules of the walk
bound its work by the body's own length:

- a length or a count is never below zero, nor more than the bytes that are left;
- whatever stands in an array or a map takes at least one byte, and what a block says of its size is so;
- a branch of a union or a symbol is one that the schema has, a number has at most 64 bits;
- no type holds itself, and types are counted and nested up to the limits below.

The last rule, and that of one byte, are about the schema alone: it is refused when it is learned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final, TypeAlias

MOST_TYPES: Final = 5_000
"""Types of a schema, each counted wherever it is used. Types that take no bytes cost time all the same: this many of
them cost 2 ms a record. The largest contracts that are published in the open have some hundreds."""
DEEPEST_TYPES: Final = 24
"""Types within one another; a nullable record within another one is two. It bounds the work for one byte."""

EndOf: TypeAlias = Callable[[bytes, int], int]
"""Gives where a value that begins at an index ends. Raises IndexError or ValueError where there is no such value."""

_LONGEST_NUMBER: Final = 10
"""Bytes of a number of 64 bits, 7 in a byte; the last one holds one bit."""
_MORE: Final = 0x80
"""Bit of a byte behind which the number goes on."""
_SECOND: Final = 2
"""The number 1, of a union's second branch, as it is written."""


class SchemaRefusedError(ValueError):
    """A schema whose bodies could cost more than their length says."""


class BoundedFields:
    """The fields of a writer's record, in order."""

    def __init__(self, parsed: dict[str, Any], is_wanted: Callable[[str], bool]) -> None:
        """`parsed` is a record's schema as fastavro parses it. Raises SchemaRefusedError."""
        maker = _Maker(parsed["__named_schemas"], parsed["name"])
        fields = [(field["name"], maker.make(field["type"])) for field in parsed["fields"]]
        self.by_name = dict(fields)
        """What walks over each field."""
        self._runs = [
            (wanted, [end_of for _, end_of in run])
            for wanted, run in groupby(fields, lambda field: is_wanted(field[0]))
        ]

    def wanted(self, value: bytes, begin: int) -> tuple[bytes, int]:
        """Bytes of the fields that are wanted, of a record that begins at an index, and where the record ends.

        Raises IndexError or ValueError where there is no such record.
        """
        found = []
        at = begin
        for is_wanted, fields in self._runs:
            begin = at
            for end_of in fields:
                at = end_of(value, at)
            if is_wanted:
                found.append(value[begin:at])
        return b"".join(found), at


class _Maker:
    """Makes what walks over each type, once for each place at which it is used."""

    def __init__(self, named: dict[str, Any], around: str) -> None:
        self._named = named
        self._types = 0
        self._around = [around]
        """Names of the types around the one that is being made."""

    def make(self, kind: Any, depth: int = 2, *, in_items: bool = False, is_branch: bool = False) -> EndOf:
        self._types += 1
        if self._types > MOST_TYPES:
            raise SchemaRefusedError(f"it has more than {MOST_TYPES} types, each counted wherever it is used")
        if depth > DEEPEST_TYPES:
            raise SchemaRefusedError(f"its types nest more than {DEEPEST_TYPES} levels deep")
        if isinstance(kind, list):
            return _union([self.make(branch, depth + 1, in_items=in_items, is_branch=True) for branch in kind])
        name = kind["type"] if isinstance(kind, dict) else kind
        if name == "null" and in_items and not is_branch:
            raise SchemaRefusedError("an array or a map holds null, which takes no bytes, outside of a union")
        plain = _PLAIN.get(name)
        if plain is not None:
            return plain
        if isinstance(kind, dict):
            return self._complex(kind, depth, in_items=in_items)
        return self._record(self._named[name], depth, in_items=in_items)

    def _complex(self, kind: dict[str, Any], depth: int, *, in_items: bool) -> EndOf:
        match kind["type"]:
            case "array":
                return _blocks(self.make(kind["items"], depth + 1, in_items=True))
            case "map":
                return _blocks(_behind_text(self.make(kind["values"], depth + 1, in_items=True)))
            case _:
                return self._record(kind, depth, in_items=in_items)

    def _record(self, kind: dict[str, Any], depth: int, *, in_items: bool) -> EndOf:
        """Of a type that has a name, most of which are records."""
        match kind["type"]:
            case "enum":
                return _enum(len(kind["symbols"]))
            case "fixed":
                if in_items and not kind["size"]:
                    raise SchemaRefusedError("an array or a map holds a fixed of no bytes")
                return _fixed(kind["size"])
            case "record":
                name = kind["name"]
            case other:
                raise SchemaRefusedError(f"no type {other!r} is known")
        if name in self._around:
            raise SchemaRefusedError(f"{name} holds itself, however deep a record likes")
        if in_items and not kind["fields"]:
            raise SchemaRefusedError("an array or a map holds a record without fields, which takes no bytes")
        self._around.append(name)
        fields = [self.make(field["type"], depth + 1, in_items=in_items) for field in kind["fields"]]
        self._around.pop()
        return _fields(fields)


def _number(body: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    number = 0
    for place in range(_LONGEST_NUMBER):
        byte = body[at + place]
        number |= (byte & ~_MORE) << 7 * place
        if byte < _MORE:
            if number >> 64:
                break
            return (number >> 1) ^ -(number & 1), at + place + 1
    raise ValueError("a number of more than 64 bits")


def _null(body: bytes, at: int) -> int:  # noqa: ARG001  (as all of them)
    return at


def _boolean(body: bytes, at: int) -> int:
    if body[at] > 1:
        raise ValueError("neither true nor false")
    return at + 1


def _long(body: bytes, at: int) -> int:
    return at + 1 if body[at] < _MORE else _number(body, at)[1]


def _text(body: bytes, at: int) -> int:
    length = body[at]
    if length < _MORE and not length & 1:  # the shortest form, of 0 to 63 bytes
        at += 1 + (length >> 1)
    else:
        length, at = _number(body, at)
        if length < 0:
            raise ValueError("a length below zero")
        at += length
    if at > len(body):
        raise IndexError
    return at


def _fixed(size: int) -> EndOf:
    def fixed(body: bytes, at: int) -> int:
        if at + size > len(body):
            raise IndexError
        return at + size

    return fixed


def _enum(count: int) -> EndOf:
    def enum(body: bytes, at: int) -> int:
        index, at = _number(body, at)
        if not 0 <= index < count:
            raise IndexError
        return at

    return enum


def _union(branches: Sequence[EndOf]) -> EndOf:
    def union(body: bytes, at: int) -> int:
        index, at = _number(body, at)
        if index < 0:
            raise IndexError
        return branches[index](body, at)

    if len(branches) != 2 or branches[0] is not _null:
        return union
    something = branches[1]

    def optional(body: bytes, at: int) -> int:
        index = body[at]
        if index == 0:
            return at + 1
        return something(body, at + 1) if index == _SECOND else union(body, at)

    return optional


def _fields(fields: Sequence[EndOf]) -> EndOf:
    def record(body: bytes, at: int) -> int:
        for field in fields:
            at = field(body, at)
        return at

    return record


def _behind_text(value: EndOf) -> EndOf:
    def entry(body: bytes, at: int) -> int:
        return value(body, _text(body, at))

    return entry


def _blocks(item: EndOf) -> EndOf:
    """Of an array or a map: blocks of items up to an empty one."""

    def blocks(body: bytes, at: int) -> int:
        while body[at]:
            count, at = _number(body, at)
            if count == 0:  # in a longer form
                return at
            end = None
            if count < 0:
                size, at = _number(body, at)
                count, end = -count, at + size
            if count > len(body) - at:
                raise IndexError
            for _ in range(count):
                at = item(body, at)
            if end is not None and at != end:
                raise ValueError("a block of another size")
        return at + 1

    return blocks


_PLAIN: Final[dict[Any, EndOf]] = {
    "null": _null,
    "boolean": _boolean,
    "int": _long,
    "long": _long,
    "float": _fixed(4),
    "double": _fixed(8),
    "bytes": _text,
    "string": _text,
}
