"""The dashboard's index beside the log: one SQLite file, made of the log by `add`, read by the views.

A cache, never the truth: it can be thrown away and made again. What it says of a journey under a policy is computed
from its own records (`log_of`), by the reference.

    record       the records of journeys, as wire bytes        abandonment  what was published, with its penalty
    control      those without a journey (policies ...)        lifecycle    returns, conversions, late ones ...
    tick         punctuations                                  journey      one row each: user, times, spend
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Final

from journeys.analytics.journey_trace import JourneyLog, Tick
from journeys.schemas.codec import Codec
from journeys.schemas.records import JourneyRecord, Touchpoint
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import Entry
from journeys.streams.rule.policy import Policy
from journeys.streams.rule.row import Row

_TABLES: Final = """
PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
CREATE TABLE record (
    journey_id TEXT, number INTEGER, append_time INTEGER, occurred_at INTEGER, user_id TEXT, cost_micros INTEGER,
    is_touchpoint INTEGER, body BLOB, PRIMARY KEY (journey_id, number)
) WITHOUT ROWID;
CREATE TABLE control (number INTEGER PRIMARY KEY, append_time INTEGER, body BLOB);
CREATE TABLE tick (number INTEGER PRIMARY KEY, at INTEGER);
CREATE TABLE abandonment (
    abandonment_id TEXT PRIMARY KEY, journey_id TEXT, user_id TEXT, reason TEXT, state TEXT, segment TEXT,
    started_at INTEGER, abandoned_at INTEGER, detected_at INTEGER, touchpoints INTEGER, spend_micros INTEGER,
    penalty_micros INTEGER, rule TEXT, policy TEXT, returned_at INTEGER
) WITHOUT ROWID;
CREATE TABLE lifecycle (
    lifecycle_id TEXT PRIMARY KEY, journey_id TEXT, kind TEXT, occurred_at INTEGER, abandonment_id TEXT,
    penalty_micros INTEGER, refusal TEXT
) WITHOUT ROWID;
CREATE TABLE open_journey (
    journey_id TEXT PRIMARY KEY, user_id TEXT, state TEXT, segment TEXT, started_at INTEGER, last_at INTEGER,
    deadline_at INTEGER, rule TEXT, touchpoints INTEGER, spend_micros INTEGER
) WITHOUT ROWID;
CREATE TABLE fault (place TEXT, why TEXT);
"""
_INDEXES: Final = """
CREATE TABLE journey AS
    SELECT journey_id, max(user_id) AS user_id, min(occurred_at) AS first_at, max(occurred_at) AS last_at,
        sum(is_touchpoint) AS touchpoints,
        -- in two parts: a sum beyond 64 bits would be an error
        (sum(cost_micros >> 32) << 32) + sum(cost_micros & 4294967295) AS spend_micros
    FROM record GROUP BY journey_id;
CREATE UNIQUE INDEX journey_by_id ON journey (journey_id);
CREATE INDEX journey_by_user ON journey (user_id, journey_id);
CREATE INDEX tick_by_time ON tick (at, number);
CREATE INDEX abandonment_by_penalty ON abandonment (penalty_micros DESC, abandonment_id);
CREATE INDEX abandonment_by_journey ON abandonment (journey_id);
CREATE INDEX abandonment_by_return ON abandonment (penalty_micros DESC, abandonment_id) WHERE returned_at IS NOT NULL;
CREATE INDEX open_by_deadline ON open_journey (deadline_at, journey_id);
ANALYZE;
"""
_FIND_END: Final = "\U0010ffff"
_BATCH: Final = 5_000


class JourneyIndex:
    """One index. Written by `add...`, then `complete`d; afterwards only read, from one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.executescript(_TABLES)
        self._connection.execute("BEGIN")
        self._codec = Codec()
        self._records: list[tuple[Any, ...]] = []
        self._open: dict[str, Row] = {}
        self._clock: int | None = None
        self.end = 0
        """Number of the last record, and one more."""
        self.is_punctuated = True
        self.policy: Policy | None = None
        self.grace_ms: int | None = None
        self.time_source: str | None = None
        """Time source of the log from its beginning on; None where the first punctuation says it."""
        self.ticks_time_source: str | None = None
        self._is_monotone = True

    @property
    def clock(self) -> int | None:
        """The log's clock (ms)."""
        return self._clock

    def add_record(self, number: int, record: Any, append_time: int | None = None, body: bytes | None = None) -> None:
        """Add a record of the log; a punctuation is added by `add_tick`."""
        self.end = number + 1
        body = self._codec.encode(record) if body is None else body
        if isinstance(record, JourneyRecord):
            is_touchpoint = isinstance(record, Touchpoint)
            cost = record.cost_micros if isinstance(record, Touchpoint) else 0
            user = getattr(record, "user_id", None)
            self._records.append(
                (record.journey_id, number, append_time, record.occurred_at, user, cost, is_touchpoint, body)
            )
            if len(self._records) >= _BATCH:
                self._flush()
        else:
            self._connection.execute("INSERT INTO control VALUES (?, ?, ?)", (number, append_time, body))

    def add_tick(self, number: int, at: int) -> None:
        """Add a punctuation: the clock after it. Where there are none of its own, each record that moves the clock."""
        self.end = max(self.end, number + 1)
        if self.is_punctuated or self._clock is None or at > self._clock:
            self._connection.execute("INSERT OR REPLACE INTO tick VALUES (?, ?)", (number, at))
        self.set_clock(at)

    def set_clock(self, at: int | None) -> None:
        """Say the log's clock, which a correction sets back."""
        if self._clock is not None and at is not None and at < self._clock:
            self._is_monotone = False
        self._clock = at

    def add_effects(self, effects: Effects) -> None:
        """Add what the rule published, and note the rows that changed."""
        for one in effects.abandonments:
            self._connection.execute(
                "INSERT OR REPLACE INTO abandonment VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,NULL)",
                (
                    *(one.abandonment_id, one.journey_id, one.user_id, one.abandonment_reason, one.state, one.segment),
                    *(one.started_at, one.abandoned_at, one.detected_at, one.touchpoint_count),
                    *(one.total_cost_micros, one.total_penalty_micros, one.deadline_rule, one.policy_version),
                ),
            )
        for said in effects.lifecycle:
            if said.kind == "started":
                continue
            self._connection.execute(
                "INSERT OR REPLACE INTO lifecycle VALUES (?,?,?,?,?,?,?)",
                (
                    *(said.lifecycle_id, said.journey_id, said.kind, said.occurred_at, said.abandonment_id),
                    *(said.total_penalty_micros, said.refusal),
                ),
            )
            if said.kind == "returned":
                self._connection.execute(
                    "UPDATE abandonment SET returned_at = ? WHERE abandonment_id = ?",
                    (said.occurred_at, said.abandonment_id),
                )
        for letter in effects.dead_letters:
            self.add_fault(f"offset {letter.offset}", letter.reason)
        for journey_id, row in effects.changed.items():
            if row.open:
                self._open[journey_id] = row
            else:
                self._open.pop(journey_id, None)

    def add_fault(self, place: str, why: str) -> None:
        """Add a record that could not be taken: where it stands, and why."""
        self._connection.execute("INSERT INTO fault VALUES (?, ?)", (place, why))

    def complete(self) -> None:
        """Make the tables of what is open and of all journeys, and the indexes."""
        self._flush()
        self._connection.executemany(
            "INSERT INTO open_journey VALUES (?,?,?,?,?,?,?,?,?,?)", map(_open_journey, self._open.values())
        )
        self._open.clear()
        self._connection.execute("COMMIT")
        self._connection.executescript(_INDEXES)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Rows of a query."""
        return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> sqlite3.Row:
        """The one row of a query."""
        found: sqlite3.Row = self._connection.execute(sql, values).fetchone()
        return found

    def find(self, text: str, limit: int) -> list[sqlite3.Row]:
        """Journeys whose id or user begins with a text: those by id first."""
        end = text + _FIND_END
        by_id = self.rows(
            "SELECT * FROM journey WHERE journey_id >= ? AND journey_id < ? ORDER BY journey_id LIMIT ?",
            *(text, end, limit),
        )
        known = {row["journey_id"] for row in by_id}
        by_user = self.rows(
            "SELECT * FROM journey WHERE user_id >= ? AND user_id < ? ORDER BY user_id, journey_id LIMIT ?",
            *(text, end, limit),
        )
        return [*by_id, *(row for row in by_user if row["journey_id"] not in known)][:limit]

    def log_of(self, journey_id: str) -> JourneyLog | None:
        """The records of a journey, for the time machine; None if there are none."""
        own = self.rows("SELECT number, append_time, body FROM record WHERE journey_id = ? ORDER BY number", journey_id)
        if not own:
            return None
        key = journey_id.encode()
        entries = [self._entry(row, key) for row in own]
        entries += [self._entry(row, None) for row in self.rows("SELECT number, append_time, body FROM control")]
        entries.sort(key=lambda entry: entry.offset)
        return JourneyLog(
            journey_id, entries, self, self.end, self.policy, self.grace_ms, self.time_source, self.ticks_time_source
        )

    def first(self, at: int, after: int, until: int) -> Tick | None:
        """As `Ticks` says. Where the log has no punctuations of its own, each record is one."""
        if not self.is_punctuated:
            before = self.last(-1, after + 1)
            if before is not None and before.at >= at:  # the next record is one
                return Tick(after + 1, before.at) if after < until else None
        found = self._connection.execute(
            "SELECT number, at FROM tick WHERE at >= ? ORDER BY at, number LIMIT 1", (at,)
        ).fetchone()
        if not self._is_monotone or (found is not None and found["number"] <= after):
            found = self._connection.execute(
                "SELECT number, at FROM tick WHERE number > ? AND at >= ? ORDER BY number LIMIT 1", (after, at)
            ).fetchone()
        return None if found is None or found["number"] > until else Tick(found["number"], found["at"])

    def last(self, after: int, until: int) -> Tick | None:
        """As `Ticks` says."""
        found = self._connection.execute(
            "SELECT number, at FROM tick WHERE number > ? AND number <= ? ORDER BY number DESC LIMIT 1", (after, until)
        ).fetchone()
        return None if found is None else Tick(found["number"], found["at"])

    def _entry(self, row: sqlite3.Row, key: bytes | None) -> Entry:
        (record,) = self._codec.decode_inputs([row["body"]])
        return Entry(row["number"], key, row["append_time"], record, row["body"])

    def _flush(self) -> None:
        self._connection.executemany("INSERT OR REPLACE INTO record VALUES (?,?,?,?,?,?,?,?)", self._records)
        self._records.clear()


def _open_journey(row: Row) -> tuple[Any, ...]:
    is_timeout = row.deadline_at == row.timeout_deadline_at
    return (
        *(row.journey_id, row.user_id, row.state, row.segment, row.started_at, row.last_touchpoint_at),
        *(row.deadline_at, row.timeout_rule if is_timeout else row.inactivity_rule),
        *(row.touchpoint_count, row.total_cost_micros),
    )
