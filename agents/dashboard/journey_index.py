"""The dashboard's index beside the log: one SQLite file, made of the log and read by the views.

A cache, never the truth: it can be thrown away and made again. It is read while it grows. What it says of a journey
under a policy is computed from its own records (`log_of`), by the reference.

    record       the records of journeys, as wire bytes        abandonment  what was published, with its penalty
    control      those without a journey (policies ...)        lifecycle    returns, conversions, late ones ...
    tick         punctuations                                  journey      one row each: user, times, spend
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from journeys.agents.dashboard.indexed_partition import IndexedPartition
from journeys.analytics.journey_trace import JourneyLog
from journeys.schemas.partitioner import partition_of

_TABLES: Final = """
PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
CREATE TABLE record (
    journey_id TEXT, number INTEGER, append_time INTEGER, body BLOB, PRIMARY KEY (journey_id, number)
) WITHOUT ROWID;
CREATE TABLE control (part INTEGER, number INTEGER, append_time INTEGER, body BLOB, PRIMARY KEY (part, number))
WITHOUT ROWID;
CREATE TABLE tick (part INTEGER, number INTEGER, at INTEGER, PRIMARY KEY (part, number)) WITHOUT ROWID;
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
CREATE TABLE journey (
    journey_id TEXT PRIMARY KEY, user_id TEXT, first_at INTEGER, last_at INTEGER, touchpoints INTEGER,
    spend_micros INTEGER
) WITHOUT ROWID;
CREATE INDEX journey_by_user ON journey (user_id, journey_id);
CREATE INDEX tick_by_time ON tick (part, at, number);
CREATE INDEX abandonment_by_penalty ON abandonment (penalty_micros DESC, abandonment_id);
CREATE INDEX abandonment_by_return ON abandonment (penalty_micros DESC, abandonment_id) WHERE returned_at IS NOT NULL;
CREATE INDEX abandonment_by_reason ON abandonment (reason, state, penalty_micros DESC, abandonment_id);
CREATE INDEX abandonment_by_state ON abandonment (state, penalty_micros DESC, abandonment_id);
CREATE INDEX abandonment_by_segment ON abandonment (segment, penalty_micros DESC, abandonment_id);
CREATE INDEX open_by_deadline ON open_journey (deadline_at, journey_id);
CREATE INDEX open_by_state ON open_journey (state, deadline_at, journey_id);
CREATE INDEX open_by_segment ON open_journey (segment, deadline_at, journey_id);
"""
_FIND_END: Final = "\U0010ffff"


class JourneyIndex:
    """One index of all partitions. Used from one thread; what is added is seen by readers after `flush`."""

    def __init__(self, partition_count: int = 1) -> None:
        # Without a name: a file that SQLite deletes as it opens it, so that no user id stays behind, whatever happens.
        self._connection = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.executescript(_TABLES)
        self._connection.execute("BEGIN")  # for ever: nothing of a cache is committed
        self.parts = [IndexedPartition(self._connection, number) for number in range(partition_count)]

    @property
    def clock(self) -> int | None:
        """The log's clock, the least of its partitions that have one (ms)."""
        return min((part.clock for part in self.parts if part.clock is not None), default=None)

    @property
    def version(self) -> int:
        """Grows with what is added."""
        return sum(part.end for part in self.parts)

    def add_fault(self, place: str, why: str) -> None:
        """Add a record that could not be taken: where it stands, and why."""
        self._connection.execute("INSERT INTO fault VALUES (?, ?)", (place, why))

    def flush(self) -> None:
        """Have readers see all that was added."""
        for part in self.parts:
            part.flush()

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
        return self.parts[partition_of(journey_id.encode(), len(self.parts))].log_of(journey_id)
