"""Instants: whole milliseconds since 1970 UTC inside, RFC 3339 outside. Finer input is floored.

What other programs write beside RFC 3339 and means one instant is taken, too: ` UTC` or ` GMT` for Z, an offset without
its colon, a leap second (60), which counts as the first second of the next minute.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from journeys.schemas.invalid import InvalidRecordError

SECOND_MS = 1_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000

EARLIEST = 631_152_000_000  # 1990-01-01: older times are clocks that were never set
LATEST = 221_845_392_000_000  # 9000-01-01: leaves room for deadlines within what RFC 3339 can say

_LATEST_LIKELY = 4_102_444_800_000  # 2100-01-01
_OTHER_UNITS = (("seconds", 1, 1_000), ("microseconds", 1_000, 1), ("nanoseconds", 1_000_000, 1))

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))? ?([Zz]|UTC|GMT|[+-]\d\d:?\d\d)",
    re.ASCII,
)
_EXPECTED = "RFC 3339 with a zone, such as 2026-01-31T12:00:00Z, or integer epoch milliseconds"
_WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?)?", re.ASCII)
_NO_ZONE = f'{_EXPECTED}; this time says no zone: a mapping can (--map, zone = "UTC")'


def parse_instant(value: object, field: str = "occurred_at") -> int:
    """Epoch milliseconds of RFC 3339 text with a zone, or of an integer of epoch milliseconds.

    Raises InvalidRecordError for anything else and for instants before 1990 or after the year 8999.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return check_instant(value, field)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return check_instant((value - _EPOCH) // _MILLISECOND, field)
    if isinstance(value, str):
        match = _RFC3339.fullmatch(value)
        if match is None:
            raise InvalidRecordError(field, value, _NO_ZONE if _WITHOUT_ZONE.fullmatch(value) else _EXPECTED)
        year, month, day, hour, minute, second, fraction, zone = match.groups()
        try:
            seconds = min(int(second), 59) if second == "60" else int(second)
            moment = datetime(int(year), int(month), int(day), int(hour), int(minute), seconds, tzinfo=UTC)
        except ValueError:
            raise InvalidRecordError(field, value, _EXPECTED) from None
        at = (moment - _EPOCH) // _MILLISECOND + (int(second) - seconds) * SECOND_MS
        if fraction:
            at += int(fraction[:3].ljust(3, "0"))
        return check_instant(at - _zone_offset_ms(zone, value, field), field)
    if isinstance(value, datetime):
        raise InvalidRecordError(field, value, _NO_ZONE)
    raise InvalidRecordError(field, value, _EXPECTED)


def _zone_offset_ms(zone: str, value: str, field: str) -> int:
    if zone in ("Z", "z", "UTC", "GMT"):
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 23 or minutes > 59:
        raise InvalidRecordError(field, value, _EXPECTED)
    return (hours * HOUR_MS + minutes * 60_000) * (-1 if zone[0] == "-" else 1)


def check_instant(at: int, field: str = "occurred_at") -> int:
    """Return `at` (epoch milliseconds) if it lies between 1990 and the year 8999, else raise InvalidRecordError."""
    if EARLIEST <= at < LATEST:
        return at
    raise InvalidRecordError(field, at, f"an instant between 1990-01-01 and 9000-01-01, in milliseconds{_hint(at)}")


def _hint(at: int) -> str:
    """Which unit a number is probably in, if not in milliseconds."""
    for unit, in_unit, factor in _OTHER_UNITS:
        if EARLIEST * in_unit <= at * factor < _LATEST_LIKELY * in_unit:
            return f"; this looks like {unit}: a mapping can say so (--map, unit)"
    return ""


def format_instant(at: int) -> str:
    """RFC 3339 with milliseconds and Z of epoch milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=at)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1000:03d}Z"
