"""One partition of the dashboard's index: its records, its punctuations, and what the rule made of them."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from journeys.analytics.journey_trace import JourneyLog, Tick
from journeys.schemas.codec import Codec
from journeys.schemas.records import JourneyRecord, Touchpoint
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import Entry
from journeys.streams.rule.policy import Policy
from journeys.streams.rule.row import Row

_BATCH: Final = 5_000
_SEEN: Final = """
INSERT INTO journey VALUES (?1, ?2, ?3, ?3, ?4, ?5) ON CONFLICT (journey_id) DO UPDATE SET
    user_id = coalesce(user_id, excluded.user_id), first_at = min(first_at, excluded.first_at),
    last_at = max(last_at, excluded.last_at), touchpoints = touchpoints + excluded.touchpoints,
    spend_micros = spend_micros + excluded.spend_micros
"""


class IndexedPartition:
    """The partition `number`. Its punctuations are those that `first` and `last` find (`Ticks`)."""

    def __init__(self, connection: sqlite3.Connection, number: int) -> None:
        self._connection = connection
        self._number = number
        self._codec = Codec()
        self._records: list[tuple[Any, ...]] = []
        self._changed: dict[str, Row] = {}
        self._is_monotone = True
        self.clock: int | None = None
        """As the log says (ms)."""
        self.end = 0
        """Number of the last record, and one more."""
        self.is_punctuated = True
        self.policy: Policy | None = None
        """In force throughout; None where the log says."""
        self.grace_ms: int | None = None
        self.time_source: str | None = None
        """Time source of the log from its beginning on; None where the first punctuation says it."""
        self.ticks_time_source: str | None = None

    def add_record(self, number: int, record: Any, append_time: int | None = None, body: bytes | None = None) -> None:
        """Add a record of the log; a punctuation is added by `add_tick`."""
        self.end = number + 1
        body = self._codec.encode(record) if body is None else body
        if isinstance(record, JourneyRecord):
            is_touchpoint = isinstance(record, Touchpoint)
            cost = record.cost_micros if isinstance(record, Touchpoint) else 0
            user = getattr(record, "user_id", None)
            self._records.append(
                (record.journey_id, user, record.occurred_at, is_touchpoint, cost, number, append_time, body)
            )
            if len(self._records) >= _BATCH:
                self.flush()
        else:
            self._connection.execute(
                "INSERT INTO control VALUES (?, ?, ?, ?)", (self._number, number, append_time, body)
            )

    def add_tick(self, number: int, at: int) -> None:
        """Add a punctuation: the clock after it. Where there are none of its own, each record that moves the clock."""
        self.end = max(self.end, number + 1)
        if self.is_punctuated or self.clock is None or at > self.clock:
            self._connection.execute("INSERT OR REPLACE INTO tick VALUES (?, ?, ?)", (self._number, number, at))
        self.set_clock(at)

    def set_clock(self, at: int | None) -> None:
        """Say the log's clock, which a correction sets back."""
        if self.clock is not None and at is not None and at < self.clock:
            self._is_monotone = False
        self.clock = at

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
            place = f"partition {letter.partition} offset {letter.offset:,}"
            self._connection.execute("INSERT INTO fault VALUES (?, ?)", (place, letter.reason))
        self._changed.update(effects.changed)

    def flush(self) -> None:
        """Have readers see all that was added."""
        records, self._records = self._records, []
        self._connection.executemany(
            "INSERT OR REPLACE INTO record VALUES (?,?,?,?)", [(record[0], *record[5:]) for record in records]
        )
        self._connection.executemany(_SEEN, [record[:5] for record in records])
        changed, self._changed = self._changed, {}
        self._connection.executemany(
            "INSERT OR REPLACE INTO open_journey VALUES (?,?,?,?,?,?,?,?,?,?)",
            [_open_journey(row) for row in changed.values() if row.open],
        )
        self._connection.executemany(
            "DELETE FROM open_journey WHERE journey_id = ?", [(name,) for name, row in changed.items() if not row.open]
        )

    def log_of(self, journey_id: str) -> JourneyLog | None:
        """The records of a journey, for the time machine; None if there are none."""
        ask = self._connection.execute
        own = ask(
            "SELECT number, append_time, body FROM record WHERE journey_id = ? ORDER BY number", (journey_id,)
        ).fetchall()
        if not own:
            return None
        key = journey_id.encode()
        entries = [self._entry(row, key) for row in own]
        controls = ask("SELECT number, append_time, body FROM control WHERE part = ?", (self._number,))
        entries += [self._entry(row, None) for row in controls]
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
            "SELECT number, at FROM tick WHERE part = ? AND at >= ? ORDER BY at, number LIMIT 1", (self._number, at)
        ).fetchone()
        if not self._is_monotone or (found is not None and found["number"] <= after):
            found = self._connection.execute(
                "SELECT number, at FROM tick WHERE part = ? AND number > ? AND at >= ? ORDER BY number LIMIT 1",
                (self._number, after, at),
            ).fetchone()
        return None if found is None or found["number"] > until else Tick(found["number"], found["at"])

    def last(self, after: int, until: int) -> Tick | None:
        """As `Ticks` says."""
        found = self._connection.execute(
            "SELECT number, at FROM tick WHERE part = ? AND number > ? AND number <= ? ORDER BY number DESC LIMIT 1",
            (self._number, after, until),
        ).fetchone()
        return None if found is None else Tick(found["number"], found["at"])

    def _entry(self, row: sqlite3.Row, key: bytes | None) -> Entry:
        (record,) = self._codec.decode_inputs([row["body"]])
        return Entry(row["number"], key, row["append_time"], record, row["body"])


def _open_journey(row: Row) -> tuple[Any, ...]:
    is_timeout = row.deadline_at == row.timeout_deadline_at
    return (
        *(row.journey_id, row.user_id, row.state, row.segment, row.started_at, row.last_touchpoint_at),
        *(row.deadline_at, row.timeout_rule if is_timeout else row.inactivity_rule),
        *(row.touchpoint_count, row.total_cost_micros),
    )
