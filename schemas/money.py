"""Money: integer micros (millionths of a dollar) inside, decimal dollars outside."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from numbers import Real

from journeys.schemas.invalid import InvalidRecordError

MICROS = 1_000_000
# Sums stop here rather than leave the 64 bits of a row: four trillion dollars, which no honest input reaches.
LARGEST_SUM_MICROS = 2**62 - 1
# A billion dollars for one touchpoint.
LARGEST_MICROS = 1_000_000_000 * MICROS
_ONE_MICRO = Decimal("0.000001")
# Decimal takes 1_000 and digits of any script, too, which nobody means.
_DIGITS = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_EXPECTED = "zero or more dollars with at most 6 decimals, at most 1000000000"


def dollars_to_micros(value: object, field: str) -> int:
    """Micros of decimal dollars (a number, numpy's among them, Decimal or text); raises InvalidRecordError.

    A float counts as its shortest decimal text, so 0.1 is a tenth.
    """
    if isinstance(value, bool) or not isinstance(value, str | Decimal | Real):
        raise InvalidRecordError(field, value, _EXPECTED)
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise InvalidRecordError(field, value, _EXPECTED)
    try:
        dollars = Decimal(value) if isinstance(value, int | str | Decimal) else Decimal(str(value))
    except InvalidOperation:
        raise InvalidRecordError(field, value, _EXPECTED) from None
    if not dollars.is_finite() or (dollars.is_signed() and dollars) or dollars > LARGEST_MICROS // MICROS:
        raise InvalidRecordError(field, value, _EXPECTED)
    # Within the largest sum this is exact, so a difference means more than 6 decimals.
    rounded = dollars.quantize(_ONE_MICRO)
    if rounded != dollars:
        raise InvalidRecordError(
            field, value, f"{_EXPECTED}; {rounded.normalize():f} would be: a mapping rounds (--map)"
        )
    return int(rounded * MICROS)


def check_micros(micros: int, field: str) -> int:
    """Return `micros` if it is a sum that one touchpoint may carry, else raise InvalidRecordError."""
    if 0 <= micros <= LARGEST_MICROS:
        return micros
    raise InvalidRecordError(field, micros, f"0 to {LARGEST_MICROS} micros")


def format_dollars(micros: int) -> str:
    """Dollars with cents for people: 1234560000 micros are `1,234.56`."""
    return f"{micros / MICROS:,.2f}"
