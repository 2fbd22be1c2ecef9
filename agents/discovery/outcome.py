"""What a mapping makes of files, in figures: records, journeys, silences, money."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from journeys.agents.mapping.mapped_table import MappedTable
from journeys.agents.mapping.record_sql import FAULT
from journeys.schemas.instants import DAY_MS, HOUR_MS

QUANTILES: Final = (0.5, 0.75, 0.9, 0.95, 0.99)
_SHOWN_FAULTS: Final = 3


class Outcome(NamedTuple):
    """Figures of the records that a mapping makes. Instants are epoch milliseconds, money is micros."""

    records: int
    faults: int
    """Rows that make no record because of a value."""
    shown_faults: list[tuple[str, int]]
    journeys: int
    first_at: int | None
    last_at: int | None
    behind: int
    """Records that stand behind a later one in the files."""
    duplicates: int
    """Records whose id the journey has had."""
    conversions: int
    spend_micros: int
    values: int
    """Conversions that say what they were worth."""
    value_micros: int
    silences: int
    quantiles_hours: list[float]
    """Of the silences between a journey's records, at QUANTILES."""
    above_inactivity: int
    """Silences longer than the inactivity threshold."""
    above_timeout: int
    above_cleanup: int
    clock_ms: int
    """The greatest of minute, hour and day of which all times are multiples; 0 if none."""


def outcome_of(mapped: MappedTable, inactivity_ms: int, timeout_ms: int, cleanup_ms: int) -> Outcome:
    """Figures of a mapping's records, with a policy's durations. Raises as MappedTable."""
    database = mapped.database
    mapped.run(f"CREATE OR REPLACE TEMP TABLE seen AS SELECT *, {FAULT} IS NULL AS good FROM ({mapped.query()})")

    def ask(query: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] = database.execute(query).fetchall()[0]
        return row

    records, faults, journeys, first, last, conversions, spend, values, value = ask(
        "SELECT count(*) FILTER (good), count(*) FILTER (NOT good), count(DISTINCT journey_id) FILTER (good), "
        "min(occurred_at) FILTER (good), max(occurred_at) FILTER (good), "
        "count(*) FILTER (good AND state = 'CONVERTED'), coalesce(sum(cost_micros) FILTER (good), 0), "
        "count(conversion_value_micros) FILTER (good AND state = 'CONVERTED'), "
        "coalesce(sum(conversion_value_micros) FILTER (good AND state = 'CONVERTED'), 0) FROM seen"
    )
    (distinct,) = ask("SELECT count(*) FROM (SELECT DISTINCT journey_id, touchpoint_id FROM seen WHERE good)")
    (behind,) = ask(
        "SELECT count(*) FROM (SELECT occurred_at < max(occurred_at) OVER (ORDER BY _file, _line, _part, _n "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS b FROM seen WHERE good) WHERE b"
    )
    before = "lag(occurred_at) OVER (PARTITION BY journey_id ORDER BY occurred_at)"
    silence = f"SELECT occurred_at - {before} AS ms FROM seen WHERE good"
    count, quantiles, above_inactivity, above_timeout, above_cleanup = ask(
        f"SELECT count(ms), quantile_cont(ms, {list(QUANTILES)}), count(*) FILTER (ms >= {inactivity_ms}), "
        f"count(*) FILTER (ms >= {timeout_ms}), count(*) FILTER (ms >= {cleanup_ms}) FROM ({silence})"
    )
    shown = database.execute(
        f"SELECT regexp_replace({FAULT}, '''[^'']*''', '...'), count(*) FROM seen WHERE NOT good "
        f"GROUP BY 1 ORDER BY 2 DESC LIMIT {_SHOWN_FAULTS}"
    ).fetchall()
    clock = 0
    for unit in (60_000, HOUR_MS, DAY_MS):
        (rest,) = ask(f"SELECT count(*) FROM seen WHERE good AND occurred_at % {unit} <> 0")
        clock = unit if records and not rest else clock
    return Outcome(
        records=int(records),
        faults=int(faults),
        shown_faults=[(str(text), int(rows)) for text, rows in shown],
        journeys=int(journeys),
        first_at=first,
        last_at=last,
        behind=int(behind),
        duplicates=int(records - distinct),
        conversions=int(conversions),
        spend_micros=int(spend),
        values=int(values),
        value_micros=int(value),
        silences=int(count),
        quantiles_hours=[float(one) / HOUR_MS for one in quantiles or []],
        above_inactivity=int(above_inactivity),
        above_timeout=int(above_timeout),
        above_cleanup=int(above_cleanup),
        clock_ms=clock,
    )
