"""The figures of the views Now and Journeys, as queries of the index. Money in micros, instants in milliseconds."""

from __future__ import annotations

from time import monotonic
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from journeys.agents.dashboard.journey_index import JourneyIndex
from journeys.schemas.instants import DAY_MS, HOUR_MS

View: TypeAlias = Literal["costliest", "returned", "due"]
VIEWS: Final[dict[str, str]] = {
    "costliest": "the costliest abandonments",
    "returned": "abandoned, and came back",
    "due": "open, due next",
}
PAGE_ROWS: Final = 50
_LEAST_SECONDS: Final = 1.0
_MOST_OFFSET: Final = 10_000
_FILTERS: Final = {
    "costliest": ("reason", "state", "segment", "policy"),
    "returned": ("reason", "state", "segment", "policy"),
    "due": ("state", "segment"),
}
_TABLES: Final = {
    "costliest": ("abandonment", "penalty_micros DESC, abandonment_id", ""),
    "returned": ("abandonment", "penalty_micros DESC, abandonment_id", "returned_at IS NOT NULL AND"),
    "due": ("open_journey", "deadline_at, journey_id", ""),
}
# Values of a filter that are offered as links; a history may have a million segments.
_MOST_VALUES: Final = 20


class Now(NamedTuple):
    """How everything stands at the log's clock."""

    clock: int | None
    records: int
    journeys: int
    open: int
    spend_at_risk_micros: int
    due_hour: int
    due_day: int
    abandonments: int
    penalty_micros: int
    returned: int
    conversions: int
    late: int
    refused: int
    faults: int
    by_reason: list[dict[str, Any]]
    by_state: list[dict[str, Any]]
    by_segment: list[dict[str, Any]]


class Listed(NamedTuple):
    """One page of a list; `values` are those that each filter can take."""

    rows: list[dict[str, Any]]
    has_more: bool
    values: dict[str, list[str]]


class Figures:
    """Answers of one index. Sums are computed anew when it has grown, and not more often than each second."""

    def __init__(self, index: JourneyIndex) -> None:
        self._index = index
        self._version = -1
        self._computed_at = 0.0
        self._values: dict[tuple[str, str], list[str]] = {}
        self._sums: Now | None = None

    @property
    def now(self) -> Now:
        """How everything stands."""
        if self._sums is None or (
            self._index.version != self._version and monotonic() - self._computed_at >= _LEAST_SECONDS
        ):
            self._version = self._index.version
            self._values.clear()
            self._sums = self._now()
            self._computed_at = monotonic()
        return self._sums

    def listed(self, view: str, chosen: dict[str, str], page: int) -> Listed:
        """Rows of a list under filters; a filter that the list does not have is ignored."""
        table, order, where = _TABLES[view]
        named = {name: chosen[name] for name in _FILTERS[view] if chosen.get(name)}
        conditions = "".join(f"{name} = ? AND " for name in named)
        rows = self._index.rows(
            f"SELECT * FROM {table} WHERE {where} {conditions} 1 ORDER BY {order} LIMIT ? OFFSET ?",  # noqa: S608
            *(*named.values(), PAGE_ROWS + 1, min(page * PAGE_ROWS, _MOST_OFFSET)),
        )
        values = {name: self._values_of(table, name) for name in _FILTERS[view]}
        return Listed([dict(row) for row in rows[:PAGE_ROWS]], len(rows) > PAGE_ROWS, values)

    def found(self, text: str) -> list[dict[str, Any]]:
        """Journeys whose id or user begins with a text."""
        return [dict(row) for row in self._index.find(text, PAGE_ROWS)]

    def faults(self) -> list[dict[str, Any]]:
        """Reasons of what could not be taken, with their number and the first place."""
        return [
            dict(row)
            for row in self._index.rows(
                "SELECT why, count(*) AS times, min(place) AS place FROM fault "
                "GROUP BY why ORDER BY times DESC LIMIT ?",
                PAGE_ROWS,
            )
        ]

    def _values_of(self, table: str, name: str) -> list[str]:
        if (table, name) not in self._values:
            rows = self._index.rows(
                f"SELECT {name} AS value FROM {table} WHERE {name} IS NOT NULL GROUP BY 1 "  # noqa: S608
                "ORDER BY count(*) DESC LIMIT ?",
                _MOST_VALUES,
            )
            self._values[table, name] = [row["value"] for row in rows]
        return self._values[table, name]

    def _now(self) -> Now:
        index = self._index
        clock = index.clock
        ask = index.row
        at = 0 if clock is None else clock
        ended = ask(
            f"SELECT count(*) AS n, {_sum_of('penalty_micros')}, count(returned_at) AS back FROM abandonment"  # noqa: S608
        )
        kinds = {row["kind"]: row["n"] for row in index.rows("SELECT kind, count(*) AS n FROM lifecycle GROUP BY kind")}
        opened = ask(f"SELECT count(*) AS n, {_sum_of('spend_micros')} FROM open_journey")  # noqa: S608
        due = [
            ask("SELECT count(*) AS n FROM open_journey WHERE deadline_at <= ?", at + ahead)["n"]
            for ahead in (HOUR_MS, DAY_MS)
        ]
        return Now(
            clock,
            ask("SELECT count(*) AS n FROM record")["n"],
            ask("SELECT count(*) AS n FROM journey")["n"],
            opened["n"],
            _sum(opened),
            due[0],
            due[1],
            ended["n"],
            _sum(ended),
            ended["back"],
            kinds.get("converted", 0),
            kinds.get("late_touchpoint", 0),
            kinds.get("refused", 0),
            ask("SELECT count(*) AS n FROM fault")["n"],
            self._grouped("abandonment", "reason", "penalty_micros"),
            self._grouped("open_journey", "state", "spend_micros"),
            self._grouped("open_journey", "segment", "spend_micros"),
        )

    def _grouped(self, table: str, name: str, money: str) -> list[dict[str, Any]]:
        rows = self._index.rows(
            f"SELECT {name} AS name, count(*) AS n, {_sum_of(money)} FROM {table} GROUP BY 1 "  # noqa: S608
            "ORDER BY n DESC LIMIT ?",
            _MOST_VALUES,
        )
        return [{"name": row["name"], "n": row["n"], "micros": _sum(row)} for row in rows]


def _sum_of(column: str) -> str:
    """SQL for the sum of micros in two parts, which 64 bits hold."""
    return f"coalesce(sum({column} >> 32), 0) AS high, coalesce(sum({column} & 4294967295), 0) AS low"


def _sum(row: Any) -> int:
    return int((row["high"] << 32) + row["low"])
