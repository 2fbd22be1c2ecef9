"""Columns, paths and sources of a mapping as expressions of DuckDB that give text, or null where there is none."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from journeys.agents.files.layered_sql import LayeredSql
from journeys.agents.files.raw_table import FILE, LINE, PART, Column, RawTable, literal, quoted
from journeys.agents.mapping.mapping import Source
from journeys.agents.mapping.mapping_file import InvalidMappingError

_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[([^\[\]]+)\]")
_SHOWN_COLUMNS: Final = 40
_FLOATS: Final = ("FLOAT", "DOUBLE")
# How the elements of a list of keys and values call them, as in GA4's event_params.
_VALUES: Final = ("string_value", "int_value", "float_value", "double_value", "bool_value")


class Columns:
    """The columns of a raw table, and names derived from them."""

    def __init__(self, table: RawTable, absent: Sequence[str], name: str) -> None:
        self._table = table
        self._absent = absent
        self._name = name
        self.derived: list[str] = []
        self._layers: LayeredSql | None = None

    @contextmanager
    def layered(self) -> Iterator[LayeredSql]:
        """Within the block expressions are worked out once, however often they are used."""
        self._layers = LayeredSql()
        try:
            yield self._layers
        finally:
            self._layers = None

    def once(self, sql: str) -> str:
        """The expression itself, or within `layered` its name."""
        return sql if self._layers is None else self._layers.once(sql)

    def fault(self, key: str, why: str) -> InvalidMappingError:
        """An error about a key of the mapping."""
        return InvalidMappingError(f"{self._name}: {key}: {why}")

    def require_zone(self, zone: str, key: str) -> str:
        """The zone as SQL takes it. Raises InvalidMappingError for one that IANA does not name."""
        known = "SELECT count(*) FROM pg_timezone_names() WHERE lower(name) = lower(?)"
        (count,) = self._table.database.execute(known, [zone]).fetchall()[0]
        if not count:
            raise self.fault(key, f"zone: {zone!r} is none; expected a name of IANA, such as UTC or Europe/Berlin")
        return literal(zone)

    def plain(self, reference: str) -> Column | None:
        """The column that a reference is, if it is one and no path."""
        return None if reference in self.derived else self._table.column(reference)

    def text(self, reference: str) -> str | None:
        """Text of a column, a derived name or a path; None if the table has no such column."""
        if reference in self.derived:
            return quoted(reference)
        column = self._table.column(reference)
        if column is not None:
            return self.once(self._present(_cell(column)))
        for split in sorted((match.start() for match in re.finditer(r"[.\[]", reference)), reverse=True):
            column = self._table.column(reference[:split])
            if column is not None:
                path = self._path(column, reference[split:])
                return None if path is None else self.once(self._present(self.once(path)))
        return None

    def holds(self, reference: str) -> bool:
        """Whether a column is there; of a path, whether a value is there in some row."""
        text = self.text(reference)
        if text is None or self._table.column(reference) is not None:
            return text is not None
        query = f"SELECT 1 FROM {self._table.name} WHERE {text} IS NOT NULL LIMIT 1"
        return bool(self._table.database.execute(query).fetchall())

    def texts(self, source: Source, key: str) -> list[str]:
        """Texts of a source's columns, those that are there. Raises InvalidMappingError if none is."""
        wanted = [source.column] if source.column is not None else list(source.first or source.hash or ())
        found = [(reference, self.text(reference)) for reference in wanted]
        if source.hash is not None and not source.optional:
            missing = [reference for reference, text in found if text is None]
        else:
            missing = [] if any(text is not None for _, text in found) else wanted
        if missing and not source.optional:
            raise self.fault(key, self._missing(missing))
        return [text for _, text in found if text is not None]

    def of_source(self, source: Source, key: str) -> str:
        """Text of a source; the SQL `NULL` where optional columns are missing."""
        return self.once(self._of_source(source, key))

    def _of_source(self, source: Source, key: str) -> str:
        if source.constant is not None:
            return literal(_constant(source.constant))
        if source.expression is not None:
            return f"CAST((\n{source.expression}\n) AS VARCHAR)"
        if source.row_number:
            names = ", ".join(literal(file.name) for file in self._table.files)
            part = f"CASE WHEN {PART} > 1 THEN '.' || {PART} ELSE '' END"
            return f"[{names}][{FILE} + 1] || ':' || {LINE} || {part}"
        texts = self.texts(source, key)
        if not texts:
            return "NULL"
        if source.hash is not None:
            joined = ", ".join(f"coalesce({text}, '')" for text in texts)
            any_there = " OR ".join(f"{text} IS NOT NULL" for text in texts)
            return f"CASE WHEN {any_there} THEN left(sha256(concat_ws(chr(31), {joined})), 32) END"
        text = texts[0] if len(texts) == 1 else f"coalesce({', '.join(texts)})"
        if source.values:
            cases = " ".join(f"WHEN {literal(one)} THEN {literal(other)}" for one, other in source.values.items())
            text = f"CASE {text} {cases} ELSE {text} END"
        return text

    def _present(self, text: str) -> str:
        """The text, or null where it means: no value."""
        absent = ", ".join(literal(one) for one in ("", *self._absent))
        return f"CASE WHEN {text} NOT IN ({absent}) THEN {text} END"

    def _path(self, column: Column, rest: str) -> str | None:
        steps = list(_STEP.finditer(rest))
        if "".join(step.group() for step in steps) != rest:
            return None
        where = (
            f"TRY_CAST({column.place} AS JSON)" if column.kind in ("VARCHAR", "JSON") else f"to_json({column.place})"
        )
        for place, step in enumerate(steps):
            name, index = step.groups()
            if name is not None or index.isdigit():
                inside = f'$."{name}"' if name is not None else f"$[{index}]"
                where = f"json_extract({where}, {literal(inside)})"
                continue
            if place != len(steps) - 1:
                return None
            return _of_key(where, self.once(_element(where, index)), index)
        return f"({where} ->> '$')"

    def _missing(self, references: Sequence[str]) -> str:
        names = [*self.derived, *self._table.columns]
        shown = ", ".join(names[:_SHOWN_COLUMNS]) + (", ..." if len(names) > _SHOWN_COLUMNS else "")
        alike = difflib.get_close_matches(references[0], names, 1)
        hint = f"; did you mean {alike[0]!r}?" if alike else ""
        wanted = ", ".join(map(repr, references))
        return f"the files have no column {wanted}{hint} They have: {shown}"


def _cell(column: Column) -> str:
    if column.kind in _FLOATS:  # a whole number is an id without a fraction, and NaN is what pandas has for nothing
        text = f"regexp_replace(CAST({column.place} AS VARCHAR), '\\.0$', '')"
        return f"CASE WHEN NOT isnan({column.place}) THEN {text} END"
    if column.kind == "VARCHAR":
        return column.place
    if column.kind == "BLOB":
        return f"lower(hex({column.place}))"
    if column.kind.startswith(("STRUCT", "MAP")) or column.kind.endswith("[]"):
        return f"CAST(to_json({column.place}) AS VARCHAR)"
    return f"CAST({column.place} AS VARCHAR)"


def _element(where: str, key: str) -> str:
    """Element of a list of keys and values."""
    return f"list_filter(json_extract({where}, '$[*]'), lambda one: (one ->> '$.key') = {literal(key)})[1]"


def _of_key(where: str, element: str, key: str) -> str:
    """Value of an element, or of the key in an object."""
    values = ", ".join(f"({element} ->> '$.value.{name}')" for name in _VALUES)
    plain = f"CASE WHEN json_type({element}, '$.value') <> 'OBJECT' THEN ({element} ->> '$.value') END"
    inside = literal(f'$."{key}"')
    return f"coalesce({values}, {plain}, ({where} ->> {inside}))"


def _constant(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)
