"""Guesses how a column of times is written: the unit of numbers, the format of texts, whether a zone is said."""

from __future__ import annotations

from typing import Final, NamedTuple

from journeys.agents.discovery.columns import Seen
from journeys.agents.files.raw_table import RawTable, literal

# From the usual ones on; of the day and month of 01/02/2026 the other values tell which is which.
_FORMATS: Final = (
    *("%Y%m%d", "%Y%m%d%H%M%S", "%Y%m%d%H%M", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d"),
    *("%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y", "%d/%m/%Y"),
    *("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%m/%d/%y %H:%M", "%d/%m/%y %H:%M", "%m/%d/%y", "%d/%m/%y"),
    *("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M", "%d-%m-%Y"),
    *("%d/%b/%Y:%H:%M:%S", "%d-%b-%Y %H:%M:%S", "%d-%b-%Y", "%d %b %Y %H:%M:%S", "%b %d, %Y", "%b %d %Y"),
    *("%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S", "%Y-%m-%d %I:%M:%S %p", "%Y-%m-%d-%H.%M.%S"),
)
_UNITS: Final = (
    ("s", 631_152_000, 4_102_444_800),
    ("ms", 631_152_000_000, 4_102_444_800_000),
    ("us", 631_152_000_000_000, 4_102_444_800_000_000),
    ("ns", 631_152_000_000_000_000, 4_102_444_800_000_000_000),
)
_MOST_OF: Final = 0.98


class TimeForm(NamedTuple):
    """How times are written. `unit` or `format` where they are needed; `zone` where values say none."""

    text: str
    """For people."""
    unit: str | None = None
    format: str | None = None
    needs_zone: bool = False
    counts_from: bool = False
    """Whether numbers count from an unknown beginning."""


def time_form(table: RawTable, column: Seen, text: str) -> TimeForm:  # noqa: PLR0911  (a form a line)
    """The form that most values of a column have; `text` is its SQL."""
    if column.kind == "TIMESTAMP WITH TIME ZONE":
        return TimeForm("timestamps with a zone")
    if column.kind.startswith("TIMESTAMP"):
        return TimeForm("timestamps that say no zone", needs_zone=True)
    if column.kind == "DATE":
        return TimeForm("dates, without hours", needs_zone=True)
    if column.numbers > _MOST_OF and column.least is not None and column.greatest is not None:
        dated = _format(table, text, ("%Y%m%d", "%Y%m%d%H%M%S"), column)
        for unit, first, last in _UNITS:
            if first <= column.greatest < last:
                return TimeForm(f"numbers of {unit} since 1970", unit=unit)
        if dated is not None:
            return TimeForm(f"digits of the format {dated}, which say no zone", format=dated, needs_zone=True)
        return TimeForm(
            "numbers that are no times since 1970: seconds from a beginning that nothing says?", counts_from=True
        )
    if column.iso_times > _MOST_OF:
        if column.zoned > _MOST_OF:
            return TimeForm("ISO 8601 with a zone")
        only_dates = all(len(sample) == 10 for sample in column.samples)
        return TimeForm("dates, without hours" if only_dates else "ISO 8601 that says no zone", needs_zone=True)
    found = _format(table, text, _FORMATS, column)
    if found is not None:
        return TimeForm(f"the format {found}, which says no zone", format=found, needs_zone=True)
    return TimeForm("no form that is known here: say format = ...")


def _format(table: RawTable, text: str, formats: tuple[str, ...], column: Seen) -> str | None:
    tried = ", ".join(f"count(try_strptime(t, {literal(one)}))" for one in formats)
    query = f"SELECT count(t), {tried} FROM (SELECT {text} AS t FROM {table.name} LIMIT 100000)"
    count, *fitting = table.database.execute(query).fetchall()[0]
    if not count or column.values == 0:
        return None
    best = max(range(len(formats)), key=lambda place: (fitting[place], -place))
    return formats[best] if fitting[best] >= _MOST_OF * count else None
