"""Files in the line format as a table, sorted by time: CSV, Parquet, and JSON lines where it is asked for.

DuckDB converts what is written plainly. A row with any cell that is not goes through `schemas.lines.parse_line`, which
takes it or says what is wrong; so the table says of every row what a line of JSON would say.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from journeys.agents.files.layered_sql import LayeredSql
from journeys.agents.files.raw_table import FILE, LINE, PART, Column, RawTable, why_of
from journeys.agents.files.unreadable import UnreadableFileError
from journeys.schemas.instants import EARLIEST, LATEST
from journeys.schemas.lines import FIELDS
from journeys.schemas.money import LARGEST_MICROS
from journeys.schemas.records import STATES
from journeys.schemas.validation import LONGEST_SEGMENT, LONGEST_TEXT

RAW: Final = "_raw"
"""JSON of a row that is not plain, null for one that is."""
_LONG: Final = 20_000
_BATCH_ROWS: Final = 65_536
_TEXTS: Final = ("user_id", "channel", "event_type", "action_id", "policy_version", "segment")
_DIGITS: Final = r"\d{1,18}"
_HOUR: Final = r"([01]\d|2[0-3])"
_INSTANT: Final = rf"\d{{4}}-\d\d-\d\d[Tt ]{_HOUR}:[0-5]\d:([0-5]\d|60)(\.\d+)? ?(Z|z|UTC|GMT|[+-]{_HOUR}:?[0-5]\d)"
_DOLLARS: Final = r"\d{1,10}(\.\d{1,6})?"
_RATE: Final = r"\d(\.\d{1,15})?"
# A log by itself: its lines have places or times of their own.
_PLACES: Final = ("offset", "source_offset", "kafka_offset")


class LineTable:
    """Rows of a raw table whose columns are those of the line format. Raises UnreadableFileError."""

    def __init__(self, table: RawTable) -> None:
        self._database = table.database
        self._table = table
        self._files = [file.name for file in table.files]
        if table.names and "journey_id" not in table.names and "kind" not in table.names:
            raise UnreadableFileError(no_line_format(self._files[0], list(table.names)))

    def holds_punctuations(self) -> bool:
        """Whether rows hold time of their own."""
        kind = self._table.columns.get("kind")
        if kind is None:
            return False
        of_time = f"CAST({kind.place} AS VARCHAR) IN ('punctuation', 'clock_corrected')"
        query = f"SELECT count(*) FROM {self._table.name} WHERE {of_time}"
        return bool(self._ask(query)[0][0])

    def is_log(self) -> bool:
        """Whether the rows have an order of their own: places in a topic, or punctuations among them."""
        return any(name in self._table.columns for name in _PLACES) or self.holds_punctuations()

    def file_name(self, number: int) -> str:
        """Name of a file by its number in the batches."""
        return self._files[number]

    def batches(self, *, as_logged: bool) -> Iterator[Any]:
        """Record batches of Arrow: the fields of a touchpoint, `_file`, `_line` and `_raw`."""
        order = f"{FILE}, {LINE}, {PART}"
        if not as_logged:
            order = f"_at NULLS FIRST, {order}"
        query = f"SELECT * EXCLUDE (_at) FROM ({self._query()}) ORDER BY {order}"
        try:
            yield from self._database.execute(query).to_arrow_reader(_BATCH_ROWS)
        except Exception as error:
            raise self._unreadable(error) from error

    def _ask(self, query: str) -> list[Any]:
        try:
            return self._database.execute(query).fetchall()
        except Exception as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> Exception:
        import duckdb  # noqa: PLC0415  (loaded already)

        is_refusal = isinstance(error, duckdb.Error | OSError)  # an OSError is how Arrow passes on what DuckDB says
        return UnreadableFileError(f"{self._files[0]}: {why_of(error)}") if is_refusal else error

    def _query(self) -> str:
        layers = LayeredSql()
        text = {
            name: layers.once(self._text(self._table.columns[name])) for name in FIELDS if name in self._table.columns
        }
        at = layers.once(self._instant(layers))
        plain = ["true"]
        if "kind" in text:
            plain.append(f"coalesce({text['kind']} IN ('', 'touchpoint'), true)")
        plain += [
            f"coalesce(strlen({text[name]}) BETWEEN 1 AND {LONGEST_TEXT}, false)" if name in text else "false"
            for name in ("journey_id", "touchpoint_id")
        ]
        plain.append(f"({at}) IS NOT NULL")
        values = {
            "journey_id": text.get("journey_id", "NULL"),
            "touchpoint_id": text.get("touchpoint_id", "NULL"),
            "occurred_at": at,
        }
        for name in _TEXTS:
            if name in text:
                longest = LONGEST_SEGMENT if name == "segment" else LONGEST_TEXT
                plain.append(f"coalesce(strlen({text[name]}) <= {longest}, true)")
                values[name] = f"nullif({text[name]}, '')"
        states = ", ".join(f"'{state}'" for state in ("", *STATES))
        if "state" in text:
            plain.append(f"coalesce({text['state']} IN ({states}), true)")
            values["state"] = f"nullif({text['state']}, '')"
        values["cost_micros"] = self._money(layers, text, "cost", plain, is_required=True)
        values["conversion_value_micros"] = self._money(layers, text, "conversion_value", plain, is_required=False)
        for name in ("conversion_probability", "propensity"):
            if name in text:
                cell = text[name]
                is_rate = f"regexp_full_match({cell}, '{_RATE}') AND TRY_CAST({cell} AS DOUBLE) <= 1"
                plain.append(f"coalesce({cell} = '' OR ({is_rate}), true)")
                values[name] = f"TRY_CAST({cell} AS DOUBLE)"
        cells = ", ".join(f"{name} := {self._json_cell(name)}" for name in text)
        plainly = layers.once(f"({' AND '.join(plain)})")
        types = dict.fromkeys(("conversion_probability", "propensity"), "DOUBLE") | dict.fromkeys(
            ("occurred_at", "cost_micros", "conversion_value_micros"), "BIGINT"
        )
        selected = ", ".join(
            f"CAST(CASE WHEN {plainly} THEN {value} END AS {types.get(name, 'VARCHAR')}) AS {name}"
            for name, value in values.items()
        )
        raw = f"CASE WHEN NOT {plainly} THEN to_json(struct_pack({cells})) END" if cells else "NULL"
        return (
            f"SELECT {FILE}, {LINE}, {PART}, {at} AS _at, {selected}, CAST({raw} AS VARCHAR) AS {RAW} "
            f"FROM {layers.over(self._table.name)}"
        )

    @staticmethod
    def _text(column: Column) -> str:
        """Text of a cell; of very long ones the beginning, which is too long already."""
        if column.kind == "VARCHAR":
            return (
                f"CASE WHEN strlen({column.place}) > {_LONG} THEN left({column.place}, {_LONG}) ELSE {column.place} END"
            )
        return f"CAST({column.place} AS VARCHAR)"

    def _json_cell(self, name: str) -> str:
        column = self._table.columns[name]
        if column.kind in ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UINTEGER", "USMALLINT", "UTINYINT"):
            return column.place
        if name in ("occurred_at", "at") and column.kind.startswith("TIMESTAMP"):
            return f"epoch_ms({column.place})"
        return self._text(column)

    def _instant(self, layers: LayeredSql) -> str:
        column = self._table.columns.get("occurred_at")
        at = self._table.columns.get("at")
        if column is None and at is None:
            return "NULL::BIGINT"
        of_record = "NULL::BIGINT" if column is None else self._instant_of(layers, column)
        found = of_record if at is None else f"coalesce({of_record}, {self._instant_of(layers, at)})"
        found = layers.once(found)
        return f"CASE WHEN {found} BETWEEN {EARLIEST} AND {LATEST - 1} THEN {found} END"

    def _instant_of(self, layers: LayeredSql, column: Column) -> str:
        if column.kind.startswith("TIMESTAMP"):
            return f"epoch_ms({column.place})"
        cell = layers.once(self._text(column))
        # To the millisecond, floored: DuckDB would round what is finer than microseconds.
        short = f"regexp_replace({cell}, '(\\.\\d{{1,3}})\\d*', '\\1')"
        leap = f"regexp_matches({cell}, '^.{{17}}60')"
        calm = f"CASE WHEN {leap} THEN {short}[:17] || '59' || {short}[20:] ELSE {short} END"
        in_utc = f"regexp_replace({calm}, ' ?(Z|z|UTC|GMT)$', '+00:00')"
        zoned = f"regexp_replace({in_utc}, ' ?([+-]\\d\\d):?(\\d\\d)$', '\\1:\\2')"
        moment = f"epoch_ms(TRY_CAST(upper({zoned}) AS TIMESTAMPTZ)) + CASE WHEN {leap} THEN 1000 ELSE 0 END"
        return (
            f"CASE WHEN regexp_full_match({cell}, '{_DIGITS}') THEN TRY_CAST({cell} AS BIGINT) "
            f"WHEN regexp_full_match({cell}, '{_INSTANT}') THEN {moment} END"
        )

    @staticmethod
    def _money(layers: LayeredSql, text: dict[str, str], name: str, plain: list[str], *, is_required: bool) -> str:
        dollars, micros = text.get(name), text.get(f"{name}_micros")
        values, conditions = [], []
        if dollars is not None:
            amount = f"CAST(TRY_CAST({dollars} AS DECIMAL(38, 6)) * 1000000 AS BIGINT)"
            values.append(f"WHEN regexp_full_match({dollars}, '{_DOLLARS}') THEN {amount}")
        if micros is not None:
            values.append(f"WHEN regexp_full_match({micros}, '{_DIGITS}') THEN TRY_CAST({micros} AS BIGINT)")
        if not values:
            if is_required:
                plain.append("false")
            return "NULL"
        value = layers.once(f"CASE {' '.join(values)} END")
        given = [f"nullif({cell}, '') IS NOT NULL" for cell in (dollars, micros) if cell is not None]
        if len(given) == 2:
            conditions.append(f"NOT ({given[0]} AND {given[1]})")
        is_there = f"coalesce(({value}) <= {LARGEST_MICROS}, false)"
        conditions.append(is_there if is_required else f"({is_there} OR NOT ({' OR '.join(given)}))")
        plain.append(f"({' AND '.join(conditions)})")
        return value


def no_line_format(name: str, columns: list[str]) -> str:
    """What is said of a file of which no column belongs to the line format."""
    shown = ", ".join(columns[:12]) + (", ..." if len(columns) > 12 else "")
    return (
        f"{name}: no column is called journey_id; it has {shown}. `journeys inspect {name} --write map.toml` writes a "
        "mapping, and --map takes it (docs/your-data.md)"
    )
