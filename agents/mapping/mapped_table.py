"""A mapping applied to a raw table: its records as batches in the columns of the line format, and what was left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from journeys.agents.files.raw_table import FILE, LINE, PART, RawTable, Shape, literal, quoted, why_of
from journeys.agents.files.source_file import source_file
from journeys.agents.files.unreadable import UnreadableFileError
from journeys.agents.mapping.column_sql import Columns
from journeys.agents.mapping.mapping import DailySpend, Fields, Mapping, Money, Rule
from journeys.agents.mapping.mapping_file import InvalidMappingError, LoadedMapping
from journeys.agents.mapping.record_sql import FAULT, NUMBER, SHARES, TYPES, event_conditions, rule_query
from journeys.agents.mapping.value_sql import money_value

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_BASE: Final = "base"
_RULE: Final = "_rule"
_BATCH_ROWS: Final = 65_536
_SHOWN_EVENTS: Final = 20


class LeftOut(NamedTuple):
    """Rows that made no record: an event or a reason, and how many."""

    what: str
    rows: int


def shape_of(mapping: Mapping) -> Shape:
    """How the mapping says that files are written."""
    file = mapping.file
    return Shape(file.format, file.delimiter, file.encoding, file.header, file.columns, file.each)


class MappedTable:
    """Records that a mapping makes of a raw table's rows. Raises InvalidMappingError, UnreadableFileError."""

    def __init__(self, table: RawTable, loaded: LoadedMapping) -> None:
        self._database = table.database
        self._loaded = loaded
        self._mapping = loaded.mapping
        self._columns = Columns(table, loaded.mapping.file.absent, loaded.name)
        self._files = [file.name for file in table.files]
        self._parts: list[str] = []
        self._skips: list[tuple[int, str]] = []
        self._spend = self._read_spend()
        self._compile(table.name)

    def batches(self, *, as_logged: bool = False) -> Iterator[Any]:
        """Record batches of Arrow, by time, else by file and line; `as_logged` in the order of the files.

        Columns are those of `TYPES`; `_fault` says what is wrong with a record, which then has no values to use.
        """
        order = f"{FILE}, {LINE}, {PART}, {NUMBER}"
        if not as_logged:
            order = f"occurred_at NULLS FIRST, {order}"
        query = f"SELECT * FROM ({self.query()}) ORDER BY {order}"
        try:
            yield from self._database.execute(query).to_arrow_reader(_BATCH_ROWS)
        except Exception as error:
            raise self._refused(error) from error

    @property
    def database(self) -> DuckDBPyConnection:
        """The connection."""
        return self._database

    def query(self) -> str:
        """Query for the records, in no order."""
        return self._with_spend(" UNION ALL ".join(self._parts))

    def run(self, statement: str) -> None:
        """Run a statement. Raises InvalidMappingError, UnreadableFileError."""
        self._ask(statement)

    def file_name(self, number: int) -> str:
        """Name of a file by its number in the batches."""
        return self._files[number]

    def not_taken(self) -> list[LeftOut]:
        """Rows that no rule takes, by event, the most frequent first."""
        event = self._event() if self._mapping.events else "NULL"
        shown = f"coalesce(CAST({event} AS VARCHAR), '(no event)')"
        return self._counts(shown, f"{_RULE} = 0")

    def unnamed(self) -> list[LeftOut]:
        """Rows of events that the mapping names only as `*`, by event."""
        if "*" not in self._mapping.events:
            return []
        named = ", ".join(literal(one) for one in self._mapping.events)
        event = f"coalesce(CAST({self._event()} AS VARCHAR), '(no event)')"
        by_rules = len(self._mapping.rules)
        return self._counts(event, f"{_RULE} > {by_rules} AND {event} NOT IN ({named})")

    def skipped(self) -> list[LeftOut]:
        """Rows that a rule skips, by its reason."""
        if not self._skips:
            return []
        cases = " ".join(f"WHEN {number} THEN {literal(why)}" for number, why in self._skips)
        return self._counts(
            f"CASE {_RULE} {cases} END", f"{_RULE} IN ({', '.join(str(one) for one, _ in self._skips)})"
        )

    def spend_without_touchpoints(self) -> tuple[int, int] | None:
        """Days (by channel) and micros of daily spend of which no touchpoint took a share; None without daily spend."""
        if self._spend is None:
            return None
        query = (
            f"SELECT count(*), coalesce(sum(micros), 0) FROM spend_days WHERE NOT EXISTS "
            f"(SELECT 1 FROM ({' UNION ALL '.join(self._parts)}) r WHERE {self._same_day('r', 'spend_days')})"
        )
        days, micros = self._ask(query)[0]
        return int(days), int(micros)

    def _counts(self, shown: str, condition: str) -> list[LeftOut]:
        query = f"SELECT {shown}, count(*) FROM {_BASE} WHERE {condition} GROUP BY 1 ORDER BY 2 DESC, 1"
        rows = [LeftOut(str(what), int(count)) for what, count in self._ask(query)]
        if len(rows) > _SHOWN_EVENTS:
            rest = rows[_SHOWN_EVENTS:]
            rows = [*rows[:_SHOWN_EVENTS], LeftOut(f"{len(rest)} other events", sum(one.rows for one in rest))]
        return rows

    def _ask(self, query: str) -> list[Any]:
        try:
            return self._database.execute(query).fetchall()
        except Exception as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> Exception:
        import duckdb  # noqa: PLC0415  (loaded already)

        if isinstance(error, duckdb.OutOfMemoryException | duckdb.IOException | OSError):
            return UnreadableFileError(f"{self._files[0]}: {why_of(error)}")
        if isinstance(error, duckdb.Error):
            return InvalidMappingError(f"{self._loaded.name}: {why_of(error)}")
        return error

    def _compile(self, raw: str) -> None:
        rows = raw
        for name, source in self._mapping.derive.items():
            key = f"derive.{name}"
            if self._columns.plain(name) is not None:
                raise self._columns.fault(key, "the files have a column of this name: take another one")
            text = self._columns.of_source(source, key)
            rows = f"(SELECT *, {text} AS {quoted(name)} FROM {rows})"
            self._try(f"SELECT {quoted(name)} FROM {rows}", key)
            self._columns.derived.append(name)
        conditions, parts = self._conditions(rows)
        cases = " ".join(f"WHEN {condition} THEN {number}" for number, condition in conditions)
        chosen = f"CASE {cases} ELSE 0 END" if cases else "0"
        self._database.execute(f"CREATE VIEW {_BASE} AS SELECT *, {chosen} AS {_RULE} FROM {rows}")
        for number, rule, key in parts:
            query = rule_query(self._columns, self._mapping, rule, _BASE, f"{_RULE} = {number}", 0, key)
            self._try(query, key)
            self._parts.append(query)
        for number, rule in enumerate(self._mapping.also, start=1):
            key = f"also.{number - 1}"
            self._try(f"SELECT 1 FROM {_BASE} WHERE (\n{rule.when}\n)", f"{key}.when")
            query = rule_query(self._columns, self._mapping, rule, _BASE, f"(\n{rule.when}\n)", number, f"{key}.fields")
            self._try(query, key)
            self._parts.append(query)
        if not self._parts:
            raise self._columns.fault("events", "all rows are skipped: no rule makes a record")

    def _conditions(self, rows: str) -> tuple[list[tuple[int, str]], list[tuple[int, Rule, str]]]:
        """Numbered conditions for all ways in which a row is taken, and the rules of those that make a record."""
        conditions: list[tuple[int, str]] = []
        parts: list[tuple[int, Rule, str]] = []
        for place, rule in enumerate(self._mapping.rules):
            condition = f"(\n{rule.when}\n)"
            self._try(f"SELECT 1 FROM {rows} WHERE {condition}", f"rules.{place}.when")
            conditions.append((place + 1, condition))
            if rule.skip is None:
                parts.append((place + 1, rule, f"rules.{place}.fields"))
            else:
                self._skips.append((place + 1, rule.skip))
        number = len(conditions)
        if self._mapping.events or not self._mapping.rules:
            event = self._event() if self._mapping.events else "NULL"
            for name, condition in event_conditions(self._mapping, event).items():
                number += 1
                conditions.append((number, f"({condition})"))
                if name == "skip":
                    self._skips.append((number, "events that the mapping skips"))
                else:
                    rule = Rule(record="signal" if name == "signal" else "touchpoint")
                    parts.append((number, rule, "fields"))
        return conditions, parts

    def _event(self) -> str:
        source = self._mapping.fields.event_type
        assert source is not None, "a mapping with events has it"
        return self._columns.of_source(source, "fields.event_type")

    def _try(self, query: str, key: str) -> None:
        """Have DuckDB look at a query, so that an error names the key."""
        import duckdb  # noqa: PLC0415  (loaded already)

        try:
            self._database.execute(f"EXPLAIN {query}")
        except duckdb.Error as error:
            raise self._columns.fault(key, why_of(error)) from None

    def _read_spend(self) -> DailySpend | None:
        cost = self._mapping.fields.cost
        daily = None if cost is None else cost.daily
        if daily is None:
            return None
        path = Path(daily.file) if Path(daily.file).is_absolute() else self._loaded.folder / daily.file
        table = RawTable(self._database, [source_file(str(path))], name="spend")
        if table.bad:
            raise UnreadableFileError(f"{path}: line {table.bad[0].line}: {table.bad[0].why}")
        columns = Columns(table, (), self._loaded.name)
        day = columns.of_source(Fields.model_validate({"channel": daily.day}).channel, "cost.daily.day")  # type: ignore[arg-type]
        amount = Money(column=daily.amount, rate=daily.rate, round=True)
        value = money_value(columns, amount, "cost.daily.amount", "amount")
        channel = "NULL"
        if daily.channel is not None:
            channel = columns.of_source(Money(column=daily.channel), "cost.daily.channel")
        for what, query in (
            (value.fault, f"SELECT {LINE}, {value.fault} FROM spend WHERE {value.fault} IS NOT NULL LIMIT 1"),
            ("day", f"SELECT {LINE}, {day} FROM spend WHERE TRY_CAST({day} AS DATE) IS NULL LIMIT 1"),
        ):
            wrong = self._database.execute(query).fetchall() if what != "NULL" else []
            if wrong:
                line, why = wrong[0]
                text = why if what != "day" else f"day: {why!r} is not allowed; expected a date such as 2026-01-31"
                raise UnreadableFileError(f"{path}: line {line}: {text}")
        self._database.execute(
            f"CREATE TABLE spend_days AS SELECT CAST({day} AS DATE) AS day, {channel} AS channel, "
            f"CAST(sum({value.sql}) AS BIGINT) AS micros FROM spend GROUP BY 1, 2"
        )
        return daily

    def _same_day(self, record: str, spend: str) -> str:
        assert self._spend is not None
        day = f"CAST(timezone({literal(self._spend.zone)}, make_timestamptz({record}.occurred_at * 1000)) AS DATE)"
        channel = "" if self._spend.channel is None else f" AND {spend}.channel = {record}.channel"
        return f"{spend}.day = {day}{channel} AND {record}.{SHARES} AND {record}.{FAULT} IS NULL"

    def _with_spend(self, records: str) -> str:
        """The records, each with its share of its day's spend: whole micros, which sum up to the day's."""
        if self._spend is None:
            return records
        own = f"{FILE}, {LINE}, {PART}, {NUMBER}"
        columns = [name for name in TYPES if name != "cost_micros"]
        return (
            "SELECT * EXCLUDE (micros, n, place) REPLACE "
            "(coalesce(micros // n + CASE WHEN place <= micros % n THEN 1 ELSE 0 END, 0) AS cost_micros) "
            f"FROM (SELECT r.{', r.'.join(columns)}, r.cost_micros, s.micros, "
            f"count(*) OVER same AS n, row_number() OVER (same ORDER BY r.occurred_at, {own}) AS place "
            f"FROM ({records}) r LEFT JOIN spend_days s ON {self._same_day('r', 's')} "
            "WINDOW same AS (PARTITION BY s.day, s.channel, s.micros IS NULL))"
        )
