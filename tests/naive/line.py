"""One parsed line of the JSONL input, with its time in epoch milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Any

HOUR = 3_600_000
DAY = 24 * HOUR
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(value: int | str) -> int:
    """Epoch milliseconds of an integer (as it is) or an RFC 3339 text with zone (floored)."""
    if isinstance(value, int):
        return value
    return (datetime.fromisoformat(value) - _EPOCH) // timedelta(milliseconds=1)


def micros(dollars: object) -> int:
    """Dollars, as written, in whole micros; ValueError when there are more than 6 decimals."""
    exact = Fraction(str(dollars)) * 1_000_000
    if exact.denominator != 1:
        raise ValueError(f"more than 6 decimals: {dollars}")
    return exact.numerator


def duration(amount: object, unit: int) -> int:
    """Milliseconds of an amount of a unit that is given in milliseconds, floored."""
    return floor(Fraction(str(amount)) * unit)


@dataclass(frozen=True)
class Line:
    """`offset` is the line number from 1; `at` is `occurred_at`, of a punctuation and of a correction its `at`.

    A line of kind `policy`, which no file has, stands for a PolicyChanged: `policy` is what differs from the default.
    In no file either have a punctuation and a correction an `append_time`, nor a punctuation the `time_source` live.
    """

    offset: int
    raw: dict[str, Any]
    at: int

    @classmethod
    def parse(cls, raw: dict[str, Any], offset: int) -> Line:
        """A line from its JSON object; it must be valid."""
        field = "at" if raw.get("kind") in ("punctuation", "clock_corrected") else "occurred_at"
        return cls(offset, raw, instant(raw[field]))

    @property
    def kind(self) -> str:
        """One of touchpoint, registration, signal, command, punctuation, clock_corrected, policy."""
        return self.raw.get("kind") or "touchpoint"

    @property
    def identity(self) -> tuple[str, str] | None:
        """What duplicates have in common; touchpoint ids and command ids are never equal."""
        field = "touchpoint_id" if self.kind == "touchpoint" else "command_id"
        value = self.raw.get(field)
        return None if value is None else (field, value)

    @property
    def cost_micros(self) -> int:
        """Cost of a touchpoint, 0 when it gives none."""
        if self.raw.get("cost_micros") is not None:
            return int(self.raw["cost_micros"])
        return micros(self.raw.get("cost") or 0)
