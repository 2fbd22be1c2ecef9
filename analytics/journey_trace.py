"""The time machine: one journey's records under a policy, step by step, as the reference decides them.

Records of other journeys decide nothing here but the time: so the journey's own records, those without a journey
(policies, corrections) and the punctuations that fire something give what a replay of the whole log gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, TypeAlias

from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import (
    CONVERTED,
    InputRecord,
    JourneyAbandoned,
    JourneyLifecycle,
    Mark,
    Reason,
)
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from journeys.streams.rule.policy import Policy
from journeys.streams.rule.row import Row

Became: TypeAlias = Literal["applied", "late", "duplicate", "refused", "dead", "time"]
"""What a record became; `time`: no record, a deadline was fired."""
_COUNTED: tuple[Became, ...] = ("applied", "late", "duplicate", "refused", "dead")


class Tick(NamedTuple):
    """A punctuation: the clock after it (ms), and the number of the record that it stands at or before."""

    number: int
    at: int


class Ticks(Protocol):
    """The punctuations of a partition."""

    def first(self, at: int, after: int, until: int) -> Tick | None:
        """The first one behind number `after`, up to `until` inclusive, whose clock is `at` or later."""
        ...

    def last(self, after: int, until: int) -> Tick | None:
        """The last one behind number `after`, up to `until` inclusive."""
        ...


@dataclass(frozen=True, slots=True)
class JourneyLog:
    """The records of one journey, and those of its partition without a journey, in the order of the log."""

    journey_id: str
    entries: Sequence[Entry]
    ticks: Ticks
    end: int
    """Number of the last record of the whole log, or beyond it."""
    policy: Policy | None = None
    """The policy in force throughout; None: as the log says."""
    grace_ms: int | None = None
    """In place of each policy's grace; 0 for files without punctuations."""
    time_source: str | None = None
    """Time source from the beginning on; None: that of the first punctuation, which is the next."""
    ticks_time_source: str | None = None


class Deadline(NamedTuple):
    """When the open episode ends if nothing more comes (ms), and what says so."""

    at: int
    reason: Reason
    lasts_ms: int
    """The duration that runs out then."""
    rule: str | None
    """Name of the policy's rule that gave it; None for the policy's own duration or an override."""
    is_own: bool
    """Whether the journey's own override gave it."""


class Step(NamedTuple):
    """A record of the journey, or a deadline that was fired, and how the journey stood afterwards. Money in micros."""

    at: int
    record: InputRecord | Mark | InvalidRecordError | None
    became: Became
    abandonments: tuple[JourneyAbandoned, ...]
    lifecycle: tuple[JourneyLifecycle, ...]
    state: str
    segment: str | None
    spend_micros: int
    touchpoint_count: int
    deadline: Deadline | None
    """None while no episode is open."""


@dataclass(slots=True)
class Trace:
    """What a policy makes of a journey."""

    policy: Policy
    """The one in force at the end."""
    steps: list[Step] = field(default_factory=list)
    clock: int | None = None

    @property
    def abandonments(self) -> list[JourneyAbandoned]:
        """All abandonments, oldest first."""
        return [one for step in self.steps for one in step.abandonments]

    @property
    def conversions(self) -> list[JourneyLifecycle]:
        """All conversions, oldest first."""
        return [one for step in self.steps for one in step.lifecycle if one.kind == "converted"]

    @property
    def returns(self) -> list[JourneyLifecycle]:
        """All returns after abandonments, oldest first."""
        return [one for step in self.steps for one in step.lifecycle if one.kind == "returned"]

    @property
    def open(self) -> Step | None:
        """The last step if an episode is open after it."""
        return self.steps[-1] if self.steps and self.steps[-1].deadline is not None else None

    @property
    def penalty_micros(self) -> int:
        """Sum of all penalties."""
        return sum(one.total_penalty_micros for one in self.abandonments)

    @property
    def booked_micros(self) -> int:
        """Value of conversions less the spend of ended episodes: the net reward once nothing is held."""
        value = sum(one.conversion_value_micros or 0 for one in self.conversions)
        spent = sum(one.total_cost_micros or 0 for one in self.conversions)
        return value - spent - sum(one.total_cost_micros for one in self.abandonments)


def trace(log: JourneyLog, policy: Policy | None = None) -> Trace:
    """Replay the journey under `policy`, in place of the log's own where one is given."""
    return _Run(log, policy or log.policy).trace()


class _Run:
    def __init__(self, log: JourneyLog, policy: Policy | None) -> None:
        self._log = log
        self._partition = Partition(policy=policy, grace_ms=log.grace_ms)
        self._partition.time_source = log.time_source
        self._processor = Processor(self._partition, provenance=False)
        self._steps: list[Step] = []
        self._reached = -1

    def trace(self) -> Trace:
        for entry in self._log.entries:
            self._advance(entry.offset)
            self._take(entry)
        self._advance(self._log.end)
        partition = self._partition
        return Trace(partition.policy, self._steps, partition.clock)

    def _take(self, entry: Entry) -> None:
        # Two numbers for each record: a punctuation may stand in front of it.
        effects = self._processor.process([entry._replace(offset=2 * entry.offset + 1)])
        if entry.key is None and not effects.changed:
            return
        became = next((name for name in _COUNTED if getattr(effects.counts, name)), None)
        if became is not None:
            at = getattr(entry.record, "occurred_at", None)
            self._add(entry.append_time or 0 if at is None else at, entry.record, became, effects)

    def _advance(self, until: int) -> None:
        """Fire what the punctuations up to a number fire, and set the clock."""
        for tick in self._firing(until):
            self._punctuate(tick)
        last = self._log.ticks.last(self._reached, until)
        if last is not None:
            self._punctuate(last)
        self._reached = until

    def _firing(self, until: int) -> Iterator[Tick]:
        after = self._reached
        while (row := self._row()) is not None and row.open:
            due_at = row.deadline_at + self._partition.grace_of(row)
            tick = self._log.ticks.first(due_at, after, until)
            if tick is None:
                return
            after = tick.number
            yield tick
            if (
                (left := self._row()) is not None
                and left.open
                and left.deadline_at + self._partition.grace_of(left) <= due_at
            ):
                return  # nothing moved: it can't be fired here

    def _punctuate(self, tick: Tick) -> None:
        if self._partition.time_source is None:
            self._partition.time_source = self._log.ticks_time_source
        effects = Effects()
        self._processor.punctuate(tick.at, 2 * tick.number, effects)
        if effects.abandonments or effects.lifecycle:
            at = effects.abandonments[-1].abandoned_at if effects.abandonments else effects.lifecycle[-1].occurred_at
            self._add(at, None, "time", effects)

    def _row(self) -> Row | None:
        return self._partition.rows.get(self._log.journey_id)

    def _add(
        self, at: int, record: InputRecord | Mark | InvalidRecordError | None, became: Became, effects: Effects
    ) -> None:
        row = self._row()
        is_open = row is not None and row.open
        self._steps.append(
            Step(
                at,
                record,
                became,
                tuple(effects.abandonments),
                tuple(effects.lifecycle),
                row.state if row is not None and is_open else _state_after(effects),
                None if row is None else row.segment,
                row.total_cost_micros if row is not None and is_open else 0,
                row.touchpoint_count if row is not None and is_open else 0,
                _deadline_of(row) if row is not None and is_open else None,
            )
        )


def _state_after(effects: Effects) -> str:
    if effects.abandonments:
        return effects.abandonments[-1].state
    return CONVERTED if any(one.kind == "converted" for one in effects.lifecycle) else "-"


def _deadline_of(row: Row) -> Deadline:
    if row.timeout_deadline_at <= row.last_activity_at + row.inactivity_in_force_ms:
        own = row.timeout_ms is not None
        return Deadline(row.timeout_deadline_at, "TIMEOUT", row.lasts_ms, row.timeout_rule, own)
    own = row.inactivity_ms is not None
    return Deadline(row.deadline_at, "INACTIVITY", row.inactivity_in_force_ms, row.inactivity_rule, own)
