"""Schemas that other writers might register, and bodies under them: named cases of what must harm nobody.

`python -m tests.fuzz.foreign_cases` tries all of them, with limits of memory and time, and prints a line of JSON for
each as soon as it is through: the case at which it ends is the next one.
"""

from __future__ import annotations

import copy
import json
import resource
import sys
from collections.abc import Iterator
from time import process_time
from typing import Any, Final, NamedTuple

from journeys.schemas.admission import why_not_admitted
from journeys.schemas.catalog import Catalog, own_schemas
from journeys.schemas.codec import Codec
from journeys.schemas.columns import WORTHWHILE
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.partial_record import read_partly
from tests.fixtures.record_examples import SMALL

SCHEMA_ID: Final = 77
REFUSED_SCHEMA, DEAD_LETTER, TAKEN = "its schema is refused", "a dead letter", "taken"
MEMORY_BYTES: Final = 2 * 1024**3
_HEAD: Final = b"\x00" + SCHEMA_ID.to_bytes(4, "big")
SMALL_BODY: Final = Codec().encode(SMALL)[5:]
_MANY: Final = 10**12
_LARGE: Final = 100_000
"""Bytes of a value that is tried only once: it takes a part of a second."""


class Foreign(NamedTuple):
    """A schema as a registry gives it, the value of a record under it, and what becomes of the record."""

    name: str
    schema: str
    value: bytes
    outcome: str


def foreign_cases() -> list[Foreign]:
    """Every case."""
    return [*_refused(), *_impossible(), *_possible()]


def touchpoint_with(kind: Any, *, in_front: bool = False) -> dict[str, Any]:
    """The touchpoint's schema with one more field, `more`, of a type."""
    schema = copy.deepcopy(own_schemas()["Touchpoint"])
    schema["fields"].insert(0 if in_front else len(schema["fields"]), {"name": "more", "type": kind})
    return schema


def number(value: int) -> bytes:
    """An Avro number."""
    left = (value << 1) ^ (value >> 63)
    found = bytearray()
    while left >= 0x80:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*found, left])


def _array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _map(values: Any) -> dict[str, Any]:
    return {"type": "map", "values": values}


def _record(name: str, *kinds: Any) -> dict[str, Any]:
    fields = [{"name": f"f{place}", "type": kind} for place, kind in enumerate(kinds)]
    return {"type": "record", "name": name, "fields": fields}


def _nested(depth: int, kind: Any, wrap: Any) -> Any:
    for level in range(depth):
        kind = wrap(level, kind)
    return kind


def _laughing(levels: int) -> dict[str, Any]:
    """Records each of which holds the next one twice: 2 to the power of the levels values in no bytes."""
    kind: Any = _record("L0", "null", "null")
    for level in range(1, levels):
        kind = _record(f"L{level}", kind, f"L{level - 1}")
    return kind  # type: ignore[no-any-return]  # a record by now


def _refused() -> Iterator[Foreign]:
    fixed0 = {"type": "fixed", "name": "F", "size": 0}
    deep_text = "[" * 100_000 + "]" * 100_000
    itself = _record("N", ["null", "N"])
    kinds: dict[str, tuple[Any, bytes]] = {
        "a record that holds itself, 30,000 deep": (itself, b"\x02" * 30_000 + b"\x00"),
        "a record that holds itself in an array": (_record("N", _array("N")), b"\x02" * 30_000),
        "a record that holds itself in a map": (_record("N", _map("N")), b"\x02\x00" * 30_000),
        "a record that holds the touchpoint": (["null", "Touchpoint"], b"\x02"),
        "records that hold one another": (_record("A", _record("B", ["null", "A"])), b"\x02" * 30_000),
        "an array of null, 10^12 of them": (_array("null"), number(_MANY)),
        "an array of null in blocks": (_array("null"), number(2**31) * 1_000),
        "an array of null, a block of -10^12": (_array("null"), number(-_MANY) + b"\x00"),
        "a map of null": (_map("null"), number(_MANY)),
        "an array of empty records": (_array(_record("E")), number(_MANY)),
        "an array of records of null": (_array(_record("E", "null")), number(_MANY)),
        "an array of records of records of null": (_array(_record("E", _record("D", "null"))), number(_MANY)),
        "an array of records with an empty one in a union": (_array(["null", _record("E")]), number(_MANY)),
        "an array of fixed of no bytes": (_array(fixed0), number(_MANY)),
        "an array of arrays of null": (_array(_array("null")), b"\x02" + number(_MANY)),
        "an array of a byte and 1,000 nulls": (_array(_record("E", "boolean", *["null"] * 1_000)), number(_MANY)),
        "arrays 40 deep": (_nested(40, "long", lambda _, kind: _array(kind)), b"\x02" * 40),
        "unions and records 40 deep": (
            _nested(20, "long", lambda level, kind: ["null", _record(f"R{level}", kind)]),
            b"\x02" * 40,
        ),
        "records that laugh": (_laughing(30), b""),
        "a field of 6,000 types": (_record("E", *["null"] * 6_000), b""),
        "a union of 6,000 branches": (
            [{"type": "fixed", "name": f"F{place}", "size": 1} for place in range(6_000)],
            b"\x00\x00",
        ),
        "parsed already, it says": ({"__fastavro_parsed": True, "type": "nonsense", "__named_schemas": {}}, b""),
        "a type that is a number": (7, b""),
        "a type that is nothing": (None, b""),
        "a type of types": ({"type": {"type": {"type": "long"}}}, b"\x02"),
        "an unknown name": ("Nobody", b""),
        "an error": ({"type": "error", "name": "E", "fields": []}, b""),
        "a fixed of a text": ({"type": "fixed", "name": "F", "size": "9"}, b"\x00"),
        "a fixed of less than nothing": ({"type": "fixed", "name": "F", "size": -9}, b"\x00"),
        "a union in a union": (["null", ["null", "long"]], b"\x02\x02\x00"),
        "fields that are no list": ({"type": "record", "name": "R", "fields": {"a": "b"}}, b""),
    }
    for name, (kind, body) in kinds.items():
        yield Foreign(name, json.dumps(touchpoint_with(kind)), _HEAD + SMALL_BODY + body, REFUSED_SCHEMA)
        if body:
            yield Foreign(
                f"{name}, in front", json.dumps(touchpoint_with(kind, in_front=True)), _HEAD + body, REFUSED_SCHEMA
            )
    plain = json.dumps(own_schemas()["Touchpoint"])
    value = _HEAD + SMALL_BODY
    texts = {
        "no JSON": "record Touchpoint",
        "nothing": "",
        "a number": "1",
        "not a number": "NaN",
        "lists 100,000 deep": deep_text,
        "arrays 5,000 deep": plain.replace(
            '"string"', '{"type": "array", "items": ' * 5_000 + '"long"' + "}" * 5_000, 1
        ),
        "a name 100,000 deep": plain.replace('"Touchpoint"', deep_text, 1),
        "a doc 100,000 deep": plain[:-1] + ', "doc": ' + deep_text + "}",
        "a doc 5,000 deep": plain[:-1] + ', "doc": ' + "[" * 5_000 + "]" * 5_000 + "}",
        "a default 500 deep": plain[:-1].replace('"default": null', '"default": ' + "[" * 500 + "]" * 500, 1) + "}",
        "a number of 10,000 digits": plain[:-1] + ', "size": ' + "9" * 10_000 + "}",
        "a name that is no text": plain.replace('"Touchpoint"', "17", 1),
        "a namespace that is no text": plain.replace('"gaelp.journeys"', "[17]", 1),
        "300,000 bytes": plain[:-1] + ', "doc": "' + "d" * 300_000 + '"}',
        "300,000 bytes of aliases": plain[:-1] + ', "aliases": ' + json.dumps([f"a{n}" for n in range(40_000)]) + "}",
        "a lone surrogate for a name": plain.replace('"Touchpoint"', '"\\ud800"', 1),
        "a default of 200,000 values": plain.replace(
            '"default": null', '"default": [' + ",".join("1" * 120_000) + "]", 1
        ),
    }
    for name, text in texts.items():
        yield Foreign(f"a schema of {name}", text, value, REFUSED_SCHEMA)


def _impossible() -> Iterator[Foreign]:
    longs, texts = _array("long"), _map("string")
    enum = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
    vast = {"type": "fixed", "name": "F", "size": 10**18}
    bodies: dict[str, tuple[Any, bytes]] = {
        "an array of 10^12 longs": (longs, number(_MANY) + b"\x02"),
        "an array of as many as bytes and one more": (longs, number(3) + b"\x02\x00"),
        "an array of 2^63 - 1 longs": (longs, number(2**63 - 1) + b"\x02"),
        "an array of -2^63 longs": (longs, number(-(2**63)) + b"\x02\x02"),
        "a block of another size": (longs, number(-2) + number(9) + b"\x02\x02\x00" + b"\x00" * 9),
        "a block of size -1": (longs, number(-1) + number(-1) + b"\x02\x00"),
        "a block of size 2^62": (longs, number(-1) + number(2**62) + b"\x02\x00"),
        "blocks without an end": (longs, b"\x02\x00" * 400_000),
        "a map of 10^12 texts": (texts, number(_MANY) + b"\x02k\x02v"),
        "a map's key of 2^62 bytes": (texts, b"\x02" + number(2**62)),
        "a map of 10^12 in a skipped block": (texts, number(-_MANY) + number(2) + b"\x00\x00"),
        "a text of 2^62 bytes": ("string", number(2**62) + b"x"),
        "a text of one byte too many": ("string", number(4) + b"xyz"),
        "a text of -1 bytes": ("string", number(-1)),
        "bytes of -2^63 bytes": ("bytes", number(-(2**63)) + b"x"),
        "a fixed of 10^18 bytes": (vast, b"x"),
        "a symbol too far": (enum, number(2)),
        "a symbol -1": (enum, number(-1)),
        "a symbol 2^40": (enum, number(2**40)),
        "a branch too far": (["null", "long"], number(2) + b"\x00"),
        "a branch -1": (["null", "long"], number(-1) + b"\x00"),
        "a branch of no union": ([], b"\x00"),
        "a boolean 2": ("boolean", b"\x02"),
        "half a double": ("double", b"\x00" * 7),
        "half a float": ("float", b"\x00" * 3),
        "a number of 11 bytes": ("long", b"\x80" * 10 + b"\x00"),
        "a number of 65 bits": ("long", b"\xff" * 9 + b"\x02"),
        "a number without an end": ("long", b"\x80" * 500_000),
        "nothing": ("long", b""),
        "an array whose items are cut off": (_array(_record("R", "double", "string")), b"\x04" + b"\x00" * 12),
    }
    for name, (kind, body) in bodies.items():
        yield Foreign(f"{name}, at the end", json.dumps(touchpoint_with(kind)), _HEAD + SMALL_BODY + body, DEAD_LETTER)
        in_front = _HEAD + body if "without an end" in name or name == "nothing" else _HEAD + body + SMALL_BODY
        if name not in ("a text of one byte too many", "half a double", "half a float", "nothing"):
            yield Foreign(f"{name}, in front", json.dumps(touchpoint_with(kind, in_front=True)), in_front, DEAD_LETTER)
    yield Foreign(
        "a byte behind it", json.dumps(touchpoint_with("long")), _HEAD + SMALL_BODY + b"\x00\x00", DEAD_LETTER
    )


def _possible() -> Iterator[Foreign]:
    enum = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
    deep = _nested(10, "long", lambda level, kind: ["null", _record(f"R{level}", kind)])
    bodies: dict[str, tuple[Any, bytes]] = {
        "null": ("null", b""),
        "an empty record": (_record("E"), b""),
        "a fixed of no bytes": ({"type": "fixed", "name": "F", "size": 0}, b""),
        "400 fields of null": (_record("E", *["null"] * 400), b""),
        "an array in two blocks": (_array("long"), b"\x04\x02\x02" + number(-1) + b"\x02\x06" + b"\x00"),
        "a million empty arrays": (_array(_array("long")), number(900_000) + b"\x00" * 900_001),
        "a million nullable longs": (_array(["null", "long"]), number(900_000) + b"\x00" * 900_001),
        "a map of empty keys": (_map("boolean"), number(400_000) + b"\x00" * 800_001),
        "an array of records 20 deep": (
            _array(_nested(20, "boolean", lambda level, kind: _record(f"R{level}", kind))),
            number(900_000) + b"\x00" * 900_001,
        ),
        "records ten deep": (deep, b"\x02" * 10 + b"\x0a"),
        "a symbol": (enum, b"\x02"),
        "a name used twice": (_record("T", enum, "E", _array("E")), b"\x00\x02\x04\x00\x02\x00"),
        "a number in a longer form": ("long", b"\x82\x80\x00"),
        "the greatest number": ("long", b"\xff" * 9 + b"\x01"),
        "a union of one": (_array(["null"]), b"\x04\x00\x00\x00"),
        "half a megabyte of text": ("string", number(500_000) + b"x" * 500_000),
        "text that is no UTF-8, which nobody reads": ("string", b"\x02\xff"),
        "a doc of 200,000 bytes": ({"type": "long", "doc": "d" * 200_000}, b"\x02"),
        "attributes that a library takes for its own": ({"type": "long", "__fastavro_parsed": True}, b"\x02"),
    }
    for name, (kind, body) in bodies.items():
        yield Foreign(name, json.dumps(touchpoint_with(kind)), _HEAD + SMALL_BODY + body, TAKEN)
        yield Foreign(
            f"{name}, in front", json.dumps(touchpoint_with(kind, in_front=True)), _HEAD + body + SMALL_BODY, TAKEN
        )


def outcome_of(case: Foreign) -> tuple[str, str]:
    """What becomes of a case, and the reason; the same alone and in a batch, and shown as far as it can be read."""
    catalog = Catalog()
    why = why_not_admitted(case.schema)
    if why is not None:
        return REFUSED_SCHEMA, why
    catalog.add(SCHEMA_ID, json.loads(case.schema))
    codec = Codec(catalog)
    try:
        record = codec.decode_input(case.value)
    except InvalidRecordError as error:
        _require_alike(codec, case.value, str(error))
        assert read_partly(case.value, catalog).stopped
        return REFUSED_SCHEMA if error.field == "schema id" else DEAD_LETTER, str(error)
    _require_alike(codec, case.value, str(record))
    return TAKEN, str(record)


def _require_alike(codec: Codec, value: bytes, said: str) -> None:
    """The same comes of a value in a batch."""
    if len(value) < _LARGE:
        assert {str(one) for one in codec.decode_inputs([value] * WORTHWHILE)} == {said}


def main() -> None:
    """Try every case."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for case in foreign_cases():
        began = process_time()
        outcome, why = outcome_of(case)
        line = {"name": case.name, "outcome": outcome, "why": why[:300], "seconds": process_time() - began}
        sys.stdout.write(f"{json.dumps(line)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
