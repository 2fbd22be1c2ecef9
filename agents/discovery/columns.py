"""Columns of a raw table, and of what is nested in them: how full they are, what their values look like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from journeys.agents.files.raw_table import RawTable, literal
from journeys.agents.mapping.column_sql import Columns

_MOST: Final = 300
_SAMPLES: Final = 3
_NESTED_ROWS: Final = 2_000
_NESTED_PATHS: Final = 40
_DEEPEST: Final = 3
_SIMPLE: Final = re.compile(r"[^.\[\]]+")
_NUMBER: Final = r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?"
_ISO: Final = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?\s*(Z|z|UTC|GMT|[+-]\d\d(:?\d\d)?)?"
_ZONED: Final = r".*\d\s*(Z|z|UTC|GMT|[+-]\d\d:?\d\d)"


class Seen(NamedTuple):
    """What a column, or a path into one, holds. Shares are of its values, 0 to 1."""

    name: str
    kind: str
    """DuckDB's type."""
    rows: int
    values: int
    """Rows in which it is not empty."""
    distinct: int
    """About how many different values."""
    numbers: float
    """Share of numbers."""
    iso_times: float
    """Share of dates and times in ISO 8601."""
    zoned: float
    """Share of times that say a zone."""
    least: float | None
    greatest: float | None
    samples: tuple[str, ...]

    @property
    def is_unique(self) -> bool:
        """Whether values do not repeat, as far as an estimate can say."""
        return self.values > 0 and self.distinct >= 0.95 * self.values


def seen_columns(table: RawTable) -> list[Seen]:
    """All columns, each followed by the paths into it if it is nested."""
    columns = Columns(table, (), "inspect")
    found = []
    for name in list(table.columns)[:_MOST]:
        found.append(_seen(table, columns, name))
        found += [_seen(table, columns, path) for path in _paths(table, columns, name)]
    return found


def top_values(table: RawTable, text: str, count: int = 60) -> list[tuple[str, int]]:
    """The most frequent values of an expression."""
    query = (
        f"SELECT {text}, count(*) FROM {table.name} WHERE {text} IS NOT NULL "
        f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {count}"
    )
    return [(str(value), int(rows)) for value, rows in table.database.execute(query).fetchall()]


def _seen(table: RawTable, columns: Columns, name: str) -> Seen:
    text = columns.text(name) or "NULL"
    plain = columns.plain(name)
    query = (
        "SELECT count(*), count(t), approx_count_distinct(t), "
        + "".join(f"avg(CAST(regexp_full_match(t, '{form}') AS INTEGER)), " for form in (_NUMBER, _ISO, _ZONED))
        + "min(TRY_CAST(t AS DOUBLE)), max(TRY_CAST(t AS DOUBLE)) "
        f"FROM (SELECT left({text}, 200) AS t FROM {table.name})"
    )
    row: tuple[Any, ...] = table.database.execute(query).fetchall()[0]
    samples = table.database.execute(
        f"SELECT DISTINCT t FROM (SELECT left({text}, 40) AS t FROM {table.name} WHERE {text} IS NOT NULL LIMIT 200) "
        f"ORDER BY t LIMIT {_SAMPLES}"
    ).fetchall()
    rows, values, distinct, numbers, iso_times, zoned, least, greatest = row
    return Seen(
        name=name,
        kind=plain.kind if plain is not None else "nested",
        rows=int(rows),
        values=int(values),
        distinct=int(distinct),
        numbers=float(numbers or 0),
        iso_times=float(iso_times or 0),
        zoned=float(zoned or 0),
        least=least,
        greatest=greatest,
        samples=tuple(str(sample) for (sample,) in samples),
    )


def _paths(table: RawTable, columns: Columns, name: str) -> Iterator[str]:
    """Paths up to three levels into a column that holds objects, or one into a list of keys and values."""
    column = table.columns[name]
    is_nested = column.kind.startswith(("STRUCT", "MAP", "JSON")) or column.kind.endswith("[]")
    if column.kind != "VARCHAR" and not is_nested:
        return
    text = columns.text(name)
    head = (
        f"(SELECT TRY_CAST({text} AS JSON) AS j FROM {table.name} WHERE {text}[1] IN ('{{', '[') LIMIT {_NESTED_ROWS})"
    )
    for path in _object_paths(table, head, "j", _DEEPEST):
        yield f"{name}.{path}"
    pairs = f"SELECT unnest(json_extract(j, '$[*]')) AS e FROM {head} WHERE json_type(j) = 'ARRAY'"
    for key in _keys(table, f"SELECT e ->> '$.key' AS k FROM ({pairs}) WHERE json_exists(e, '$.value')"):
        yield f"{name}[{key}]"


def _object_paths(table: RawTable, head: str, place: str, depth: int) -> Iterator[str]:
    """Paths into the objects at a place, each followed by those into it."""
    for key in _keys(table, f"SELECT unnest(json_keys({place})) AS k FROM {head} WHERE json_type({place}) = 'OBJECT'"):
        yield key
        if depth > 1:
            inside = f"json_extract({place}, {literal(_quoted_path(key))})"
            for path in _object_paths(table, head, inside, depth - 1):
                yield f"{key}.{path}"


def _keys(table: RawTable, query: str) -> list[str]:
    rows = table.database.execute(
        f"SELECT k, count(*) FROM ({query}) WHERE k IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_NESTED_PATHS}"
    ).fetchall()
    return [str(key) for key, _ in rows if _SIMPLE.fullmatch(str(key))]


def _quoted_path(key: str) -> str:
    return '$."' + key.replace('"', '\\"') + '"'
