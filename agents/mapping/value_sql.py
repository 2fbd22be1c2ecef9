"""Instants, money and numbers of a mapping as expressions of DuckDB, each with what is wrong where it gives none."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from journeys.agents.files.raw_table import Column, literal
from journeys.agents.mapping.column_sql import Columns
from journeys.agents.mapping.mapping import Cost, Instant, Money
from journeys.schemas.instants import EARLIEST, LATEST, parse_instant
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.money import LARGEST_MICROS

_NUMBER: Final = r"[+-]?\d{1,19}(\.\d*)?([eE][+-]?\d{1,2})?"
_AMOUNT: Final = r"[+]?\d{1,12}(\.\d*)?([eE][+-]?\d{1,2})?"
_ZONE: Final = r"\s*(Z|z|UTC|GMT|[+-]\d\d(:?\d\d)?)$"
# Numbers without a unit are taken for seconds, ms, us or ns between 1990 and 2100: these do not overlap.
_LATEST_GUESS_S: Final = 4_102_444_800
_UNITS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_NS_OF_MS: Final = 1_000_000
_UNIT_MICROS: Final = {"units": Decimal(1_000_000), "cents": Decimal(10_000), "micros": Decimal(1)}


class Value(NamedTuple):
    """SQL of a value, and of a text that says what is wrong with it, null where nothing is."""

    sql: str
    fault: str = "NULL"


def instant_value(columns: Columns, instant: Instant, key: str, *, field: str = "occurred_at") -> Value:
    """Epoch milliseconds (BIGINT)."""
    text = columns.of_source(instant, key)
    if instant.expression is not None or instant.constant is not None:
        milliseconds = _of_text(columns, instant, text, key)
    else:
        wanted = [instant.column] if instant.column is not None else list(instant.first or ())
        cases = []
        for reference in wanted:
            found = columns.text(reference)
            if found is None:
                continue
            plain = columns.plain(reference)
            one = _of_native(columns, instant, plain, key) if plain is not None else None
            cases.append(f"WHEN {found} IS NOT NULL THEN {one or _of_text(columns, instant, found, key)}")
        milliseconds = f"CASE {' '.join(cases)} END" if cases else "NULL::BIGINT"
    milliseconds = columns.once(milliseconds)
    value = f"(CASE WHEN ({milliseconds}) BETWEEN {EARLIEST} AND {LATEST - 1} THEN ({milliseconds}) END)"
    value = columns.once(value)
    return Value(value, _fault(field, text, value, _expected(instant), is_required=True))


def _of_native(columns: Columns, instant: Instant, column: Column, key: str) -> str | None:
    """Of a column of Parquet that holds timestamps or dates; None for one of another type."""
    if column.kind == "TIMESTAMP WITH TIME ZONE":
        return f"epoch_ms({column.place})"
    if column.kind == "DATE" or column.kind.startswith("TIMESTAMP"):
        return f"epoch_ms({_in_zone(columns, instant, f'CAST({column.place} AS TIMESTAMP)', key, column.name)})"
    return None


def _in_zone(columns: Columns, instant: Instant, local: str, key: str, what: str) -> str:
    if instant.zone is None:
        raise columns.fault(key, f'the times of {what} say no zone: add zone = "UTC", or where its clock stands')
    return f"timezone({columns.require_zone(instant.zone, key)}, {local})"


def _of_text(columns: Columns, instant: Instant, text: str, key: str) -> str:
    if instant.format:
        formats = ", ".join(literal(one) for one in instant.format)
        parsed = f"try_strptime({text}, [{formats}])"
        if any("%z" in one or "%Z" in one for one in instant.format):
            return f"epoch_ms(CAST({parsed} AS TIMESTAMPTZ))"
        return f"epoch_ms({_in_zone(columns, instant, parsed, key, 'its format')})"
    number = _of_number(columns, instant, text, key)
    if instant.unit is not None or instant.since is not None:
        return number
    iso = _of_iso(columns, instant, text, key)
    return f"CASE WHEN regexp_full_match({text}, '{_NUMBER}') THEN {number} ELSE {iso} END"


def _of_number(columns: Columns, instant: Instant, text: str, key: str) -> str:
    since = 0
    if instant.since is not None:
        try:
            since = parse_instant(instant.since, "since")
        except InvalidRecordError as error:
            raise columns.fault(key, str(error)) from None
    unit = instant.unit or ("s" if instant.since is not None else None)
    number = f"TRY_CAST({text} AS DECIMAL(29, 9))"
    if unit is None:
        limits = {name: _LATEST_GUESS_S * (10**9 // ns) for name, ns in _UNITS.items()}
        cases = " ".join(
            f"WHEN {number} < {limits[name]} AND {number} >= {limits[name] // 10} THEN {_whole_ms(number, name)}"
            for name in _UNITS
        )
        return f"CASE {cases} END"
    return f"{_whole_ms(number, unit)} + {since}"


def _whole_ms(number: str, unit: str) -> str:
    ns = _UNITS[unit]
    if ns >= _NS_OF_MS:
        return f"TRY_CAST(floor({number} * {ns // _NS_OF_MS}) AS BIGINT)"
    # Division of decimals gives doubles, which have no room for nanoseconds.
    return f"TRY_CAST(TRY_CAST(floor({number}) AS HUGEINT) // {_NS_OF_MS // ns} AS BIGINT)"


def _of_iso(columns: Columns, instant: Instant, text: str, key: str) -> str:
    """Of ISO 8601: `2026-01-31`, `2026-01-31 12:00:00.5`, with or without T, Z, ` UTC`, `+01:00`, `-0500`."""
    zoned = f"regexp_full_match({text}, '.*\\d' || '{_ZONE}')"
    zone = f"regexp_replace(regexp_extract({text}, '{_ZONE}', 1), '^(Z|z|UTC|GMT)$', '+00:00')"
    offset = f"regexp_replace({zone}, '^([+-]\\d\\d)(\\d\\d)$', '\\1:\\2')"
    # The day of a date alone looks like an offset.
    is_date = f"regexp_full_match({text}, '\\d{{4}}-\\d\\d-\\d\\d')"
    local = f"CASE WHEN {is_date} THEN {text} ELSE regexp_replace({text}, '{_ZONE}', '') END"
    # A leap second is the first second of the next minute.
    leap = f"regexp_matches({local}, ':60(\\.\\d+)?$')"
    calm = f"regexp_replace({local}, ':60(\\.\\d+)?$', ':59\\1')"
    extra = f"CASE WHEN {leap} THEN 1000 ELSE 0 END"
    with_time = f"regexp_matches({local}, '^\\d{{4}}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d')"
    with_zone = f"CASE WHEN {with_time} THEN epoch_ms(TRY_CAST({calm} || {offset} AS TIMESTAMPTZ)) + {extra} END"
    is_local = f"regexp_matches({local}, '^\\d{{4}}-\\d\\d-\\d\\d([T ]\\d\\d:\\d\\d.*)?$')"
    if instant.zone is None:
        without = "NULL"
    else:
        without = (
            f"epoch_ms(timezone({columns.require_zone(instant.zone, key)}, TRY_CAST({calm} AS TIMESTAMP))) + {extra}"
        )
    return f"CASE WHEN {zoned} AND {with_time} THEN {with_zone} WHEN {is_local} THEN {without} END"


def _expected(instant: Instant) -> str:
    if instant.format:
        return f"a time of the format {' or '.join(instant.format)}"
    if instant.unit is not None:
        return f"a number of {instant.unit}, from 1990 on"
    zone = "" if instant.zone else '; of times without a zone the mapping has to say it, such as zone = "UTC"'
    return f"RFC 3339, or a number of s, ms, us or ns between 1990 and 2100; else say unit or format{zone}"


def money_value(columns: Columns, money: Money, key: str, field: str) -> Value:
    """Micros (BIGINT); null where there is no amount."""
    text = columns.of_source(money, key)
    if text == "NULL":
        return Value("NULL::BIGINT")
    plain = f"replace(replace({text}, '.', ''), ',', '.')" if money.decimal_mark == "," else text
    factor = money.rate * _UNIT_MICROS[money.unit]
    value, is_exact = _micros(columns, columns.once(f"trim({plain}, ' ')"), factor)
    if not money.round:
        value = f"CASE WHEN {is_exact} THEN {value} END"
    value = columns.once(value)
    value = columns.once(f"(CASE WHEN ({value}) <= {LARGEST_MICROS} THEN ({value}) END)")
    expected = "zero or more, digits with a point" if money.decimal_mark == "." else "zero or more, digits with a comma"
    if not money.round:
        expected += ", at most 6 decimals of a dollar (round = true rounds them)"
    return Value(value, _fault(field, text, value, expected))


def _micros(columns: Columns, text: str, factor: Decimal) -> tuple[str, str]:
    """Micros of a text, rounded half to even, and whether that is exact."""
    amount = f"(CASE WHEN regexp_full_match({text}, '{_AMOUNT}') THEN TRY_CAST({text} AS DECIMAL(20, 8)) END)"
    product = columns.once(f"({amount} * CAST({factor:f} AS DECIMAL(18, 6)))")
    below = f"floor({product})"
    half = f"({product} - {below} = 0.5 AND TRY_CAST({below} AS HUGEINT) % 2 = 0)"
    rounded = f"TRY_CAST(CASE WHEN {half} THEN {below} ELSE round({product}) END AS BIGINT)"
    few = f"NOT regexp_matches({text}, '\\.\\d{{8}}0*[1-9]')"
    return rounded, f"({product} = {below} AND {few})"


def cost_value(columns: Columns, cost: Cost | None, channel: str, key: str) -> Value:
    """Micros (BIGINT) of a touchpoint's cost; a cell without an amount costs nothing."""
    if cost is None or cost.daily is not None:
        return Value("0::BIGINT")
    if cost.by_channel is not None:
        return _by_channel(cost.by_channel, channel)
    value = money_value(columns, cost, key, "cost")
    text = columns.of_source(cost, key)
    return Value(f"(CASE WHEN {text} IS NULL THEN 0 ELSE {value.sql} END)", value.fault)


def _by_channel(dollars: Mapping[str, Decimal], channel: str) -> Value:
    micros = {name: int(amount * 1_000_000) for name, amount in dollars.items()}
    cases = " ".join(f"WHEN {literal(name)} THEN {amount}" for name, amount in micros.items() if name != "*")
    others = str(micros["*"]) if "*" in micros else "NULL"
    value = f"CAST(CASE coalesce({channel}, '') {cases} ELSE {others} END AS BIGINT)" if cases else f"{others}::BIGINT"
    why = "'channel: ' || coalesce('''' || left(" + channel + ", 80) || '''', 'none') || ' has no cost in by_channel'"
    return Value(value, f"CASE WHEN {value} IS NULL THEN {why} END")


def number_value(text: str, field: str) -> Value:
    """A probability (DOUBLE), 0 to 1."""
    value = f"(CASE WHEN TRY_CAST({text} AS DOUBLE) BETWEEN 0 AND 1 THEN TRY_CAST({text} AS DOUBLE) END)"
    return Value(value, _fault(field, text, value, "a number from 0 to 1"))


def _fault(field: str, text: str, value: str, expected: str, *, is_required: bool = False) -> str:
    shown = f"coalesce('''' || left({text}, 80) || '''', 'nothing')"
    condition = f"{value} IS NULL" if is_required else f"{text} IS NOT NULL AND {value} IS NULL"
    why = literal(f" is not allowed; expected {expected}")
    return f"CASE WHEN {condition} THEN {literal(field + ': ')} || {shown} || {why} END"
