"""What the rule makes of history, as the Parquet tables over which reports are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

from pyarrow import parquet

from journeys.agents.history.arrow_tables import arrow_schema, arrow_table
from journeys.agents.history.open_history import HistoryFile
from journeys.agents.history.repeats import remembering_most
from journeys.analytics.table import Table, all_tables
from journeys.schemas.records import JourneyRecord, Touchpoint
from journeys.streams.partition.driver import replay_punctuated, replay_unpunctuated
from journeys.streams.rule.policy import Policy

_ROWS_AT_ONCE: Final = 10_000


class Outcome(NamedTuple):
    """Counts of a history and of what came of it; instants are epoch milliseconds."""

    records: int
    abandonments: int
    open: int
    first_at: int
    last_at: int


def write_outcome(
    file: HistoryFile, numbered: Iterable[tuple[int, JourneyRecord]], policy: Policy | None, folder: Path
) -> Outcome:
    """Replay a file's records and write tables of touchpoints, abandonments and lifecycle into folders of their own."""
    seen = _Seen()
    driver: Any = replay_unpunctuated
    if file.has_punctuations():
        driver = replay_punctuated
    else:
        policy = remembering_most(policy)
    abandonments = begun = converted = 0
    with ExitStack() as stack:
        tables = {table.record: stack.enter_context(_Rows(table, folder)) for table in all_tables()}
        for effects in driver(seen.of(numbered, tables["Touchpoint"]), policy=policy):
            for abandonment in effects.abandonments:
                tables["JourneyAbandoned"].add(abandonment._asdict())
            for said in effects.lifecycle:
                tables["JourneyLifecycle"].add(said._asdict())
                begun += said.kind in ("started", "returned")
                converted += said.kind == "converted"
            abandonments += len(effects.abandonments)
    return Outcome(seen.records, abandonments, begun - converted - abandonments, seen.first_at or 0, seen.last_at)


class _Seen:
    def __init__(self) -> None:
        self.records = 0
        self.first_at: int | None = None
        self.last_at = 0

    def of(self, numbered: Iterable[tuple[int, JourneyRecord]], touchpoints: _Rows) -> Iterator[tuple[int, Any]]:
        for number, record in numbered:
            yield number, record
            at = getattr(record, "occurred_at", None)
            if at is None:
                continue
            self.records += 1
            self.first_at = at if self.first_at is None else min(self.first_at, at)
            self.last_at = max(self.last_at, at)
            if isinstance(record, Touchpoint):
                touchpoints.add(record._asdict())


class _Rows:
    """Rows of one table, written some at a time. A context manager."""

    def __init__(self, table: Table, folder: Path) -> None:
        self._table = table
        self._rows: list[dict[str, Any]] = []
        place = folder / table.name
        place.mkdir()
        self._writer = parquet.ParquetWriter(place / "rows.parquet", arrow_schema(table))

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(arrow_table(self._table, self._rows))
        self._rows = []

    def __enter__(self) -> _Rows:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()
