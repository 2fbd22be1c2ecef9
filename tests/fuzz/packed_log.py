"""A log of records as a string of bytes, so that whoever mutates bytes mutates logs: orders, keys, times, values."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Final

from journeys.schemas.codec import Codec
from journeys.schemas.instants import DAY_MS
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import PolicyChanged, Punctuation
from journeys.streams.rule.policy import policy_from_toml
from tests.fixtures.record_examples import FULL, T0
from tests.fuzz.bad_texts import good_policies_toml
from tests.fuzz.bad_values import bad_values, good_values
from tests.fuzz.logs import try_log

CODEC: Final = Codec()
_MOST_RECORDS: Final = 24
# Larger ones are tried by themselves: a log of them would be mostly hashing.
_MOST_BYTES: Final = 12_000
# What follows a record's first byte; 3 stands for a null value.
_NAMED, _SPOILED, _RAW = range(3)
_OTHER_KEY, _NO_TIME, _EARLY, _REPEATED = 4, 8, 16, 32
Record = tuple[bytes | None, int | None, bytes | None]


@cache
def values() -> list[bytes]:
    """Values that a packed log names by their number: valid ones, policies, time as it passes, and all bad ones."""
    policies = [policy_from_toml(text.decode()) for text in good_policies_toml()]
    good = [
        *good_values(),
        *(CODEC.encode(PolicyChanged(policy.version, policy.to_json(), T0)) for policy in policies),
        *(CODEC.encode(Punctuation(T0 + days * DAY_MS, "simulated")) for days in (0, 1, 3, 4, 15, 100, 1000)),
        *(
            CODEC.encode(FULL._replace(journey_id="j", touchpoint_id=f"t{days}", occurred_at=T0 + days * DAY_MS))
            for days in (0, 1, 2, 5, 20)
        ),
    ]
    return good + [value for value in bad_values().values() if len(value) <= _MOST_BYTES]


def good_logs() -> list[bytes]:
    """Logs of valid records to begin with."""
    count = len(values()) - sum(len(value) <= _MOST_BYTES for value in bad_values().values())
    first = b"".join(_packed(number) for number in range(min(count, _MOST_RECORDS)))
    return [first, b"".join(_packed(number, _NO_TIME) for number in reversed(range(min(count, _MOST_RECORDS))))]


def bad_logs() -> dict[str, bytes]:
    """For each bad value a log with valid ones around it."""
    names = {value: name for name, value in bad_values().items()}
    return {
        names[value]: _packed(0) + _packed(number) + _packed(1)
        for number, value in enumerate(values())
        if value in names
    }


def try_packed(data: bytes) -> Counter[str]:
    """Apply the log that the bytes stand for."""
    records = _unpacked(data)
    return try_log(records) if records else Counter()


def _packed(number: int, flags: int = 0) -> bytes:
    return bytes([_NAMED | flags]) + number.to_bytes(2, "little")


def _unpacked(data: bytes) -> list[Record]:
    known = values()
    records: list[Record] = []
    place = 0

    def take(count: int) -> int:
        nonlocal place
        number = int.from_bytes(data[place : place + count], "little")
        place += count
        return number

    while place < len(data) and len(records) < _MOST_RECORDS:
        flags = take(1)
        kind = flags & 3
        value: bytes | None = None
        if kind in (_NAMED, _SPOILED):
            value = known[take(2) % len(known)]
        elif kind == _RAW:
            prefix, length = known[take(1) % len(good_values())][:5], take(1)
            value = prefix + data[place : place + length]
            place += length
        if kind == _SPOILED and value:
            at = take(2) % len(value)
            value = value[:at] + bytes([take(1)]) + value[at + 1 :]
        at_ms = None if flags & _NO_TIME else T0 - DAY_MS if flags & _EARLY else T0 + 2000 * DAY_MS
        record = (b"x" if flags & _OTHER_KEY else _key_of(value), at_ms, value)
        records += [record, record] if flags & _REPEATED else [record]
    return records


def _key_of(value: bytes | None) -> bytes | None:
    try:
        journey_id = getattr(CODEC.decode_input(value), "journey_id", None)
    except InvalidRecordError:
        return b"j"
    return None if journey_id is None else journey_id.encode()
