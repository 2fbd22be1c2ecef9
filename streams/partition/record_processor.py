"""RecordProcessor: decides single records over the rows of one partition, and gives the outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import TypeAlias

from journeys.schemas.cut_value import CutValue, size_of
from journeys.schemas.identity import touchpoint_hash
from journeys.schemas.instants import format_instant
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.partitioner import partition_of
from journeys.schemas.records import (
    ClockCorrected,
    DeadLetter,
    JourneyRecord,
    Mark,
    PolicyChanged,
    Punctuation,
    TimeSourceChanged,
    Touchpoint,
)
from journeys.schemas.rows import MarkRow, PolicyRow
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import Entry, EntryFields
from journeys.streams.partition.protocols import DecidedPartition
from journeys.streams.rule.clock import require_clock_is_past, require_counting, version_in_force
from journeys.streams.rule.decide import decide, decide_overdue, only_counts
from journeys.streams.rule.evolve import apply_touchpoint, evolve
from journeys.streams.rule.facts import (
    Abandoned,
    Converted,
    Duplicate,
    Fact,
    Late,
    Refused,
    Returned,
    Started,
    TouchpointApplied,
)
from journeys.streams.rule.policy import InvalidPolicyError, policy_from_json
from journeys.streams.rule.publish import Publisher
from journeys.streams.rule.row import Row

_DEAD_LETTER_BYTES = 64 * 1024
# An error may quote a journey_id of a megabyte, and a dead letter must always fit its topic.
_REASON_CHARACTERS = 1000
# Made once: a union is a new object each time that it is written down, and asked about more slowly.
_BEGINNINGS = (Started, Returned)

Punctuate: TypeAlias = Callable[[int, int, Effects], None]
"""Moves the clock to an instant (ms), for a punctuation at an offset, and adds to the effects what that fires."""


class RecordProcessor:
    """Applies entries to a partition one by one. What a punctuation fires is the caller's to say.

    It is told so with each call: a processor and its record processor that held each other would be freed only by
    the garbage collector, out of whose sight a worker puts its rows.
    """

    def __init__(self, partition: DecidedPartition, *, provenance: bool = True) -> None:
        self._partition = partition
        self._publisher = Publisher(partition.number, provenance=provenance)

    def apply(self, entries: Iterable[EntryFields], effects: Effects, punctuate: Punctuate) -> None:
        """Apply entries, and add to the effects what they bring about."""
        partition = self._partition
        for offset, key, append_time, record, value in entries:
            if offset <= partition.applied_offset:
                effects.counts.skipped += 1
                continue
            try:
                if isinstance(record, JourneyRecord):  # a touchpoint, mostly
                    self._journey_record(record, offset, key, append_time, effects)
                elif isinstance(record, Punctuation):
                    self._punctuation(record, offset, append_time, effects, punctuate)
                elif isinstance(record, PolicyChanged):
                    self._policy_changed(record, offset, effects)
                elif isinstance(record, ClockCorrected):
                    self._clock_corrected(record, offset, append_time, effects)
                elif isinstance(record, TimeSourceChanged):
                    self._time_source_changed(record, append_time, effects)
                elif isinstance(record, Mark):  # it has said its word already: whoever reads a partition knew it before
                    assert value is not None
                    effects.marks.append(MarkRow(offset, value))
                    effects.counts.marks += 1
                else:
                    raise record
            except InvalidRecordError as error:
                effects.dead_letters.append(self._dead_letter(Entry(offset, key, append_time, record, value), error))
                effects.counts.dead += 1
            partition.applied_offset = offset

    def _punctuation(
        self, record: Punctuation, offset: int, append_time: int | None, effects: Effects, punctuate: Punctuate
    ) -> None:
        partition = self._partition
        partition.rule_version = version_in_force(
            partition.rule_version, record.rule_version, f"{JOURNEY_EVENTS}[{partition.number}] offset {offset}"
        )
        require_counting(partition.time_source, record, append_time)
        partition.time_source = record.time_source
        punctuate(record.at, offset, effects)
        effects.counts.punctuations += 1

    def _clock_corrected(self, record: ClockCorrected, offset: int, append_time: int | None, effects: Effects) -> None:
        partition = self._partition
        require_counting(partition.time_source, record, append_time)
        for row in partition.correct_clock(record.at, offset):
            effects.changed[row.journey_id] = row
        effects.counts.clock_corrections += 1

    def _time_source_changed(self, record: TimeSourceChanged, append_time: int | None, effects: Effects) -> None:
        partition = self._partition
        if partition.time_source != record.time_source:
            require_clock_is_past(partition.clock, append_time)
            partition.time_source = record.time_source
        effects.counts.time_source_changes += 1

    def _policy_changed(self, record: PolicyChanged, offset: int, effects: Effects) -> None:
        partition = self._partition
        try:
            policy = policy_from_json(record.policy)
        except InvalidPolicyError as error:
            raise InvalidRecordError("policy", record.policy, f"a policy ({error})") from None
        if policy.version != record.policy_version:
            raise InvalidRecordError("policy_version", record.policy_version, f"{policy.version}, as the policy says")
        known = partition.policies.get(policy.version)
        if known is not None and known != policy:
            raise InvalidRecordError("policy_version", policy.version, "a new version: this one names another content")
        effects.counts.policies += 1
        if partition.policy_is_fixed:
            return
        if known is None:
            partition.policies[policy.version] = policy
            partition.policy_offsets[policy.version] = offset
            effects.policies.append(PolicyRow(offset, policy.version, policy.to_json()))
        partition.policy = partition.policies[policy.version]

    def _journey_record(
        self, record: JourneyRecord, offset: int, key: bytes | None, append_time: int | None, effects: Effects
    ) -> None:
        partition = self._partition
        journey_id = record.journey_id
        # Asked of every record: no call where there is nothing to look at.
        if append_time is not None or key != journey_id.encode():
            require_own(partition, record, key, append_time)
        row = partition.rows.get(journey_id)
        if row is None:
            require_partition(partition, key)
            row = Row(journey_id, partition.policy)
        elif offset <= row.offset:
            effects.counts.skipped += 1
            return
        elif row.open and isinstance(record, Touchpoint):
            id_hash = touchpoint_hash(record.touchpoint_id)
            if only_counts(row, record, id_hash):
                apply_touchpoint(row, record, id_hash)
                row.offset = row.record_offset = offset
                partition.keep_counted(row)
                effects.changed[journey_id] = row
                effects.counts.applied += 1
                return
        elif partition.counts_as_absent(row, record.occurred_at):
            row = Row(journey_id, partition.policy)
        self._decide(row, record, offset, effects)

    def _decide(self, row: Row, record: JourneyRecord, offset: int, effects: Effects) -> None:
        partition = self._partition
        clock = partition.clock
        detected_at = record.occurred_at if clock is None else max(clock, record.occurred_at)
        if row.open and record.occurred_at >= row.deadline_at:
            ended = False
            for overdue in decide_overdue(row, record):
                self.settle(row, overdue, detected_at, offset, effects)
                ended = True
            if ended:
                self._changed(row, offset, effects)
                if partition.counts_as_absent(row, record.occurred_at):
                    row = Row(row.journey_id, partition.policy)
        fact: Fact = Duplicate()
        unknown = not row.open and row.late_until is None
        forgotten_until = partition.forgotten_until(offset) if unknown else None
        for fact in decide(row, record, forgotten_until, partition.policy):
            self.settle(row, fact, detected_at, offset, effects)
        counts = effects.counts
        if isinstance(fact, Duplicate):
            counts.duplicate += 1
        elif isinstance(fact, Late):
            counts.late += 1
        elif isinstance(fact, Refused):
            counts.refused += 1
        else:
            counts.applied += 1
            row.record_offset = offset
            self._changed(row, offset, effects)

    def _changed(self, row: Row, offset: int, effects: Effects) -> None:
        """Keep a row that changed at a record of its journey."""
        row.offset = offset
        self._partition.keep(row)
        effects.changed[row.journey_id] = row
        if effects.deleted:
            effects.deleted.pop(row.journey_id, None)

    def settle(self, row: Row, fact: Fact, detected_at: int, offset: int, effects: Effects) -> None:
        """Publish a fact and write it into the row: ends are published of the row before, all else of the row after."""
        if isinstance(fact, TouchpointApplied):  # most facts are, and say nothing to the outside
            apply_touchpoint(row, fact.touchpoint, fact.id_hash)
            return
        publisher = self._publisher
        if isinstance(fact, Abandoned):
            penalty = publisher.penalty(row, fact)
            last_offset = row.record_offset if fact.cause is None else offset
            effects.abandonments.append(publisher.abandoned(row, fact, penalty, detected_at, last_offset))
            evolve(row, fact, penalty.total_micros)
            self._partition.count_opened(-1)
            return
        if isinstance(fact, Converted):
            effects.lifecycle.append(publisher.converted(row, fact, detected_at, offset))
            self._partition.count_opened(-1)
        elif isinstance(fact, _BEGINNINGS):
            self._partition.count_opened(1)
        evolve(row, fact)
        published = publisher.lifecycle(row, fact, detected_at, offset)
        if published is not None:
            effects.lifecycle.append(published)

    def _dead_letter(self, entry: Entry, error: InvalidRecordError) -> DeadLetter:
        value = entry.value
        return DeadLetter(
            topic=JOURNEY_EVENTS,
            partition=self._partition.number,
            offset=entry.offset,
            reason=str(error)[:_REASON_CHARACTERS],
            append_time=entry.append_time,
            record_key=None if entry.key is None else entry.key[:_DEAD_LETTER_BYTES],
            record_value=None if value is None else value[:_DEAD_LETTER_BYTES],
            value_size=0 if value is None else size_of(value),
            value_sha256="" if value is None else _sha256_of(value),
        )


def _sha256_of(value: bytes) -> str:
    return value.whole_sha256 if isinstance(value, CutValue) else sha256(value).hexdigest()


def require_own(partition: DecidedPartition, record: JourneyRecord, key: bytes | None, append_time: int | None) -> None:
    """Raise InvalidRecordError for a record under another key than its own, or that lies ahead of its append time.

    On live topics nothing happens later than it is appended, clocks' skew apart.
    """
    if key != record.journey_id.encode():
        raise InvalidRecordError("key", key, f"the journey_id {record.journey_id!r} in UTF-8")
    if append_time is not None and partition.time_source != "simulated":
        require_not_ahead(record, append_time + partition.policy.future_skew_ms)


def require_not_ahead(record: JourneyRecord, latest: int) -> None:
    """Raise InvalidRecordError for a record that occurs after `latest` (ms): its append time and the policy's skew."""
    if record.occurred_at > latest:
        raise InvalidRecordError(
            "occurred_at",
            format_instant(record.occurred_at),
            f"at most {format_instant(latest)}, the append time and the policy's skew",
        )


def require_partition(partition: DecidedPartition, key: bytes | None) -> None:
    """Raise InvalidRecordError for the key of a journey that belongs into another partition."""
    assert key is not None
    right = partition_of(key, partition.count)
    if right != partition.number:
        raise InvalidRecordError(
            "partition", partition.number, f"{right}, which murmur2 gives (librdkafka's own default differs)"
        )
