"""Bad wire values by name: what a producer might send that is no valid record, or a strange one. Small and readable.

What fuzzing found is kept here (or in bad_texts.py), under the name of what was wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from journeys.schemas.codec import HEADER_BYTES, Codec
from journeys.schemas.records import JourneyCommand, JourneyRegistered, JourneySignal, PolicyChanged, Punctuation
from tests.fixtures.record_examples import FULL, INPUTS, OTHERS, SMALL, T0

CODEC = Codec()
_HEAD = CODEC.encode(SMALL)[:HEADER_BYTES]
_TEXT = b"\x02j"  # length 1, j
_NO_END = b"\x80" * 12
_LONGS = (-(2**63), -(2**53) - 1, -1, 2**53 + 1, 2**63 - 1)
_DOUBLES = (math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308)
# Doubles whose NaN has other bits than Python's own.
_SIGNALLING_NAN = b"\x01\x00\x00\x00\x00\x00\xf0\x7f"


def bad_values() -> dict[str, bytes]:
    """Every case by its name."""
    return dict(
        [
            *_frames(),
            *_bodies(),
            *_numbers(),
            *_texts(),
            *_policies(),
            *((f"another topic's {type(record).__name__}", CODEC.encode(record)) for record in OTHERS),
        ]
    )


def good_values() -> list[bytes]:
    """Valid ones to begin with."""
    return [CODEC.encode(record) for record in INPUTS]


def _frames() -> Iterator[tuple[str, bytes]]:
    value = CODEC.encode(FULL)
    yield "empty", b""
    yield "magic byte alone", b"\x00"
    yield "head alone", _HEAD
    yield "another magic byte", b"\x01" + value[1:]
    yield "unknown schema id", b"\x00\x7f\xff\xff\xff" + value[HEADER_BYTES:]
    yield "negative schema id", b"\x00\xff\xff\xff\xff" + value[HEADER_BYTES:]
    yield "JSON", b'{"journey_id": "j"}'
    yield "an Avro file", b"Obj\x01" + value
    yield "one byte behind it", value + b"\x00"
    yield "two records in one value", value + value
    yield "two bodies in one value", value + value[HEADER_BYTES:]
    for record in INPUTS:
        name, whole = type(record).__name__, CODEC.encode(record)
        for end in range(HEADER_BYTES, len(whole)):
            yield f"{name} cut off at {end} of {len(whole)}", whole[:end]


def _bodies() -> Iterator[tuple[str, bytes]]:
    value = CODEC.encode(SMALL)
    yield "text of 2**62 bytes", _HEAD + b"\xfe" + b"\xff" * 8 + b"\x01" + b"j"
    yield "text of -1 bytes", _HEAD + b"\x01"
    yield "text of -2**63 bytes", _HEAD + b"\xff" * 9 + b"\x01"
    yield "text of a gibibyte", _HEAD + b"\x80\x80\x80\x80\x08" + b"j"
    yield "length without an end", _HEAD + _NO_END
    yield "third branch of two", _HEAD + _TEXT + b"\x04"
    yield "branch -1", _HEAD + _TEXT + b"\x01"
    yield "branch without an end", _HEAD + _TEXT + _NO_END
    yield "a number of 11 bytes", _HEAD + _TEXT + b"\x00\x02t" + b"\xff" * 10 + b"\x01"
    yield "numbers in a longer form", _HEAD + b"\x82\x00" + value[HEADER_BYTES + 1 :]
    for byte in (0x00, 0x7F, 0x80, 0xFF):
        yield f"thirty bytes {byte:#x}", _HEAD + bytes([byte]) * 30


def _numbers() -> Iterator[tuple[str, bytes]]:
    for record in (FULL, JourneyRegistered("j", "u", T0, 1, 2, 3), JourneyCommand("j", T0, "extend", None, 1)):
        for field, value in record._asdict().items():
            strange = _LONGS if isinstance(value, int) else _DOUBLES if isinstance(value, float) else ()
            for number in strange:
                yield f"{type(record).__name__}.{field} = {number!r}", _spoiled(record, **{field: number})
    yield "a signalling NaN", CODEC.encode(FULL)[:-8] + _SIGNALLING_NAN
    for number in _LONGS:
        yield f"Punctuation.at = {number}", _spoiled(Punctuation(T0, "live"), at=number)


def _texts() -> Iterator[tuple[str, bytes]]:
    for name, body in {
        "a lone surrogate": b"\xed\xa0\x80",
        "a zero in two bytes": b"\xc0\x80",
        "Latin-1": b"caf\xe9",
        "half a character": b"\xf0\x9f\x9b",
        "beyond Unicode": b"\xf4\x90\x80\x80",
    }.items():
        value = CODEC.encode(SMALL)
        yield f"journey_id of {name}", _HEAD + bytes([2 * len(body)]) + body + value[HEADER_BYTES + 2 :]
    for name, text in {
        "nothing": "",
        "NUL": "\x00",
        "a byte order mark": "\ufeffj",
        "a terminal's commands": "\x1b[2J\x1b]0;j\x07",
        "right to left": "\u202ej",
        "1,001 characters": "x" * 1001,
    }.items():
        yield f"journey_id: {name}", _spoiled(SMALL, journey_id=text)
        yield f"state: {name}", _spoiled(SMALL, state=text)
    yield "an unknown signal", _spoiled(JourneySignal("j", T0, "boredom"))
    yield "an unknown command", _spoiled(JourneyCommand("j", T0, "forget"))
    yield "an unknown reason", _spoiled(JourneyCommand("j", T0, "abandon", "WHIM"))
    yield "an unknown time source", _spoiled(Punctuation(T0, "sundial"))
    yield "a note of 10,001 characters", _spoiled(JourneySignal("j", T0, "fatigue", note="n" * 10_001))
    yield "a megabyte of journey_id", _spoiled(SMALL, journey_id="x" * 1_000_000)
    yield "more than a mebibyte", _spoiled(SMALL, user_id="x" * 1_100_000)


def _policies() -> Iterator[tuple[str, bytes]]:
    from tests.fuzz.bad_texts import bad_policies_json  # noqa: PLC0415  (the texts know nothing of the wire)

    for name, text in bad_policies_json().items():
        try:
            policy = text.decode()
        except UnicodeDecodeError:
            continue  # no text of Avro
        yield f"policy: {name}", _spoiled(PolicyChanged("a", policy, T0))


def _spoiled(record: Any, **fields: Any) -> bytes:
    """Encode a record with some fields as they must not be; nobody validates it."""
    return CODEC.encode_fields(type(record).__name__, record._asdict() | fields)
