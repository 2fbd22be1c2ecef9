"""A log of one partition while it is being drawn, and the instants at which something is decided in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from journeys.schemas.instants import DAY_MS, EARLIEST, HOUR_MS
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.partitioner import partition_of
from journeys.schemas.records import (
    ClockCorrected,
    InputRecord,
    JourneyRecord,
    Punctuation,
    TimeSourceChanged,
)
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from journeys.streams.rule.policy import Policy
from journeys.streams.rule.row import Row
from tests.properties.policies import SHORTEST_GRACE_MS

Pick = Callable[[Sequence[Any]], Any]

NUMBER: Final = 0
COUNT: Final = 2
BASE: Final = 1_760_000_000_000  # an instant of 2025
_NAMES: Final = [f"journey-{n}" for n in range(40)]
_AT_HOME: Final = [name for name in _NAMES if partition_of(name.encode(), COUNT) == NUMBER]
ELSEWHERE: Final = next(name for name in _NAMES if name not in _AT_HOME)
_STEPS: Final = [0, 0, 1, HOUR_MS, 5 * HOUR_MS, 12 * HOUR_MS, 12 * HOUR_MS, DAY_MS, 2 * DAY_MS]
_LONG_STEPS: Final = [*_STEPS, 4 * DAY_MS, 9 * DAY_MS]
_STEPS_BACK: Final = [1, HOUR_MS, DAY_MS, 2 * DAY_MS, 5 * DAY_MS]
_GAPS: Final = [1, 1, 1, 1, 2, 7]
# In the gaps other punctuations find room, without moving any record's offset.
_WIDE_GAPS: Final = [20]


class Draft:
    """A log being drawn.

    `in_time` draws no record behind the clock by the shortest grace or more, nor one that is a dead letter.
    """

    def __init__(self, pick: Pick, policies: Sequence[Policy], *, in_time: bool) -> None:
        self.pick = pick
        self.policies = policies
        self.in_time = in_time
        self.entries: list[Entry] = []
        self.partition = Partition(NUMBER, COUNT)
        self.time_source = "simulated" if in_time else pick(["simulated", "simulated", "live"])
        self._processor = Processor(self.partition)
        self._journeys = _AT_HOME[: pick([1, 2, 3, 5])]
        self._now = BASE
        self._append_time = BASE
        self._clock_is_wrong = False
        self._ids: dict[str, list[str]] = {}

    def add(self, record: InputRecord | InvalidRecordError, key: bytes | None, value: bytes | None = None) -> None:
        """Append a record behind a gap, and let the processor see it."""
        last = self.entries[-1].offset if self.entries else -1
        offset = last + self.pick(_WIDE_GAPS if self.in_time else _GAPS)
        entry = Entry(offset, key, self._appended(record), record, value)
        self.entries.append(entry)
        self._processor.process([entry])
        if self.partition.clock is not None and not self._clock_is_wrong:
            self._now = max(self._now, self.partition.clock)

    def add_wrong_time(self, ahead_ms: int, *, broker_too: bool) -> None:
        """Append a punctuation ahead of the present: a dead letter on live topics, unless the broker is, too."""
        append_time = self._append_time
        self._clock_is_wrong = True
        at = self._now + ahead_ms
        if broker_too:
            self._append_time = at
        self.add(Punctuation(at, self.time_source, "wrong", 1), None)
        self._append_time = append_time
        self._clock_is_wrong = self.partition.clock == at

    def correct_clock(self) -> None:
        """Append a correction to the present; now and then one that lies too far ahead of its append time."""
        self._append_time = max(self._append_time, self._now)
        at = self._now + self.pick([0, 0, 1, HOUR_MS])
        self._append_time = max(self._append_time, at - self.pick([0, 0, 60_000, 60_001]))
        self.add(ClockCorrected(at, "somebody", "a test"), None)
        self._clock_is_wrong = self._clock_is_wrong and self.partition.clock != at

    def begin_live_time(self) -> None:
        """Append a change to live time; now and then one in front of which the clock has run."""
        before, self.time_source = self.time_source, "live"
        clock = self._now if self.partition.clock is None else self.partition.clock
        self._append_time = max(self._append_time, clock - self.pick([0, 0, 60_000, 60_001]))
        self.add(TimeSourceChanged("live", "somebody", "a test"), None)
        if self.partition.time_source == "simulated":
            self.time_source = before

    def add_journey_record(self, record: JourneyRecord) -> None:
        """Append a record under the key that it must have."""
        self._now = max(self._now, record.occurred_at)
        self.add(record, record.journey_id.encode())

    def journey(self) -> tuple[str, Row | None]:
        """One of the journeys, with its row if it has one."""
        journey_id = self.pick(self._journeys)
        return journey_id, self.partition.rows.get(journey_id)

    def closed(self) -> Row | None:
        """One of the rows without an open episode."""
        rows = [row for row in self.partition.rows.values() if not row.open]
        return self.pick(rows) if rows else None

    def instant(self, row: Row | None) -> int:
        """Instant for a record of the journey: often one at which something changes for it."""
        clock, how = self.partition.clock, self.pick(range(8))
        if row is not None and how <= 1:
            at = self.pick(_edges(row))
        elif clock is not None and how == 2:
            at = clock - self.partition.policy.cleanup_ms + self.pick([0, 1])
        elif how == 3:
            at = self._now - self.pick(_STEPS_BACK)
        else:
            at = self._now + self.pick(_STEPS)
        if self.in_time and clock is not None:
            at = max(at, clock - SHORTEST_GRACE_MS + 1)
        return max(at, EARLIEST)  # a row that a wrong clock had forgotten has its edges there

    def clock_instant(self) -> int:
        """Instant for a punctuation: often the first that fires or forgets, or the last that does not."""
        due_at = self.partition.next_due_at()
        forgettings = [forgotten_at(row) for row in self.partition.rows.values() if not row.open]
        how = self.pick(range(6))
        if how <= 1 and due_at is not None:
            return due_at + self.pick([0, 0, -1])
        if how == 2 and forgettings:
            return self.pick(forgettings) + self.pick([0, 0, -1])
        if how == 3 and self.partition.clock is not None:
            return self.partition.clock - self.pick([0, HOUR_MS])
        return self._now + self.pick(_LONG_STEPS)

    def identity(self, journey_id: str) -> str:
        """Mostly a new id, else one that the journey has had."""
        had = self._ids.setdefault(journey_id, [])
        if had and self.pick(range(8)) == 0:
            return self.pick(had[-10:])
        had.append(f"id-{len(self.entries)}")
        return had[-1]

    def _appended(self, record: InputRecord | InvalidRecordError) -> int | None:
        if self.time_source == "simulated":
            return None
        if isinstance(record, Punctuation):
            if not self._clock_is_wrong:
                self._append_time = max(self._append_time, record.at - self.pick([0, 0, 0, 60_000, 60_001]))
        elif isinstance(record, JourneyRecord) and self.pick(range(10)):
            self._append_time = max(self._append_time, record.occurred_at)
        return self._append_time


def _edges(row: Row) -> list[int]:
    edges = [] if row.late_until is None else [row.late_until, row.late_until + 1]
    if row.open:
        edges += [row.started_at - 1, row.deadline_at - 1, row.deadline_at, row.deadline_at, row.deadline_at + 1]
    elif row.cleanup_at is not None:
        edges += [row.cleanup_at - 1, row.cleanup_at]
    return edges


def forgotten_at(row: Row) -> int:
    """Clock at which the closed row counts as absent for every record."""
    assert row.cleanup_at is not None
    return row.cleanup_at + row.policy.grace_ms
