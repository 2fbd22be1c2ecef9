"""The processor: a batch of records in, rows and outputs out. The only program that decides, live and in replay."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

from journeys.schemas.codec import Codec
from journeys.schemas.identity import touchpoint_hash
from journeys.schemas.instants import format_instant
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.partitioner import partition_of
from journeys.schemas.records import DeadLetter, JourneyRecord, PolicyChanged, Punctuation, Touchpoint
from journeys.schemas.rows import PolicyRow
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import Entry, EntryFields
from journeys.streams.partition.log_entries import log_entries
from journeys.streams.partition.state import Partition
from journeys.streams.rule.decide import decide, decide_due, decide_overdue, only_counts
from journeys.streams.rule.evolve import apply_touchpoint, evolve
from journeys.streams.rule.facts import (
    Abandoned,
    Converted,
    Duplicate,
    ExtendedAutomatically,
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


class Processor:
    """Applies entries to one partition's state.

    What several batches bring about can be gathered, so that a row that changed in each is stored once:
    `begin`, `apply` or `apply_log` for each batch, `complete`.
    """

    def __init__(self, partition: Partition, *, provenance: bool = True) -> None:
        self.partition = partition
        self._publisher = Publisher(partition.number, provenance=provenance)

    def process(self, entries: Iterable[EntryFields]) -> Effects:
        """Apply entries in order of their offsets; what was applied before a restart is skipped."""
        effects = self.begin()
        self.apply(entries, effects)
        return self.complete(effects)

    def process_log(self, records: Sequence[Any], codec: Codec) -> Effects:
        """Apply records of the input topic as Kafka gives them, in order of their offsets."""
        effects = self.begin()
        self.apply_log(records, codec, effects)
        return self.complete(effects)

    def begin(self) -> Effects:
        """Effects of nothing yet, for batches to be added."""
        return Effects()

    def complete(self, effects: Effects) -> Effects:
        """Give the effects of all batches since `begin`, with the rows as they are now."""
        return effects

    def apply_log(self, records: Sequence[Any], codec: Codec, effects: Effects) -> None:
        """Apply records as Kafka gives them, and add to the effects what they bring about."""
        self.apply(log_entries(records, codec), effects)

    def apply(self, entries: Iterable[EntryFields], effects: Effects) -> None:
        """Apply entries, and add to the effects what they bring about."""
        partition = self.partition
        for offset, key, append_time, record, value in entries:
            if offset <= partition.applied_offset:
                effects.counts.skipped += 1
                continue
            try:
                if isinstance(record, JourneyRecord):  # a touchpoint, mostly
                    self._journey_record(record, offset, key, append_time, effects)
                elif isinstance(record, Punctuation):
                    self._punctuation(record, offset, effects)
                elif isinstance(record, PolicyChanged):
                    self._policy_changed(record, offset, effects)
                else:
                    raise record
            except InvalidRecordError as error:
                effects.dead_letters.append(self._dead_letter(Entry(offset, key, append_time, record, value), error))
                effects.counts.dead += 1
            partition.applied_offset = offset

    def punctuate(self, at: int, offset: int, effects: Effects) -> None:
        """Move the clock to `at` (ms) unless it is further, fire what is due, and clean up."""
        partition = self.partition
        partition.clock = at if partition.clock is None else max(partition.clock, at)
        self._fire(partition.clock, offset, effects)
        # What has changed, too, is stored all the same: a crash may come between the partition row and a tombstone.
        effects.forgotten.update(partition.forget_stale(offset))

    def _fire(self, clock: int, offset: int, effects: Effects) -> None:
        """Fire what is due at `clock`, in order of (deadline_at, journey_id)."""
        partition = self.partition
        touched: dict[str, Row] = {}
        due = partition.take_due()
        for place, (_, journey_id, row) in enumerate(due, start=1):
            if row.offset >= offset:  # a row that a crash left ahead of this punctuation is none of its business
                partition.keep(row)
                continue
            touched[journey_id] = row
            due_until = partition.due_until(row)
            for fact in decide_due(row, due_until):
                self._settle(row, fact, clock, offset, effects)
                if isinstance(fact, ExtendedAutomatically) and row.deadline_at <= due_until:
                    # Still due, at a later deadline: it takes its place among those that are left.
                    insort(due, (row.deadline_at, journey_id, row), place)
                    break
        for journey_id, row in touched.items():
            row.offset = offset
            partition.keep(row)
            effects.changed[journey_id] = row

    def _punctuation(self, record: Punctuation, offset: int, effects: Effects) -> None:
        partition = self.partition
        if partition.time_source is None:
            partition.time_source = record.time_source
        elif record.time_source != partition.time_source:
            raise InvalidRecordError(
                "time_source", record.time_source, f"{partition.time_source}, as this partition began"
            )
        self.punctuate(record.at, offset, effects)
        effects.counts.punctuations += 1

    def _policy_changed(self, record: PolicyChanged, offset: int, effects: Effects) -> None:
        partition = self.partition
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
        partition = self.partition
        journey_id = record.journey_id
        # Asked of every record: no call where there is nothing to look at.
        if append_time is not None or key != journey_id.encode():
            self.require_own(record, key, append_time)
        row = partition.rows.get(journey_id)
        if row is None:
            self.require_home(key)
            row = Row(journey_id, partition.policy)
        elif offset <= row.offset:
            effects.counts.skipped += 1
            return
        elif row.open and isinstance(record, Touchpoint):
            id_hash = touchpoint_hash(record.touchpoint_id)
            if only_counts(row, record, id_hash):
                apply_touchpoint(row, record, id_hash)
                # Its deadline can only have moved later, so its entry in the index stays as it is.
                row.offset = row.record_offset = offset
                effects.changed[journey_id] = row
                effects.counts.applied += 1
                return
        elif partition.counts_as_absent(row, record.occurred_at):
            row = Row(journey_id, partition.policy)
        self._decide(row, record, offset, effects)

    def require_own(self, record: JourneyRecord, key: bytes | None, append_time: int | None) -> None:
        """Raise InvalidRecordError for a record under another key than its own, or that lies ahead of its append time.

        On live topics nothing happens later than it is appended, clocks' skew apart.
        """
        if key != record.journey_id.encode():
            raise InvalidRecordError("key", key, f"the journey_id {record.journey_id!r} in UTF-8")
        if append_time is None or self.partition.time_source == "simulated":
            return
        latest = append_time + self.partition.policy.future_skew_ms
        if record.occurred_at > latest:
            raise InvalidRecordError(
                "occurred_at",
                format_instant(record.occurred_at),
                f"at most {format_instant(latest)}, the append time and the policy's skew",
            )

    def require_home(self, key: bytes | None) -> None:
        """Raise InvalidRecordError for the key of a journey that belongs into another partition."""
        assert key is not None
        home = partition_of(key, self.partition.count)
        if home != self.partition.number:
            raise InvalidRecordError(
                "partition", self.partition.number, f"{home}, which murmur2 gives (librdkafka's own default differs)"
            )

    def _decide(self, row: Row, record: JourneyRecord, offset: int, effects: Effects) -> None:
        partition = self.partition
        clock = partition.clock
        detected_at = record.occurred_at if clock is None else max(clock, record.occurred_at)
        if row.open and record.occurred_at >= row.deadline_at:
            ended = False
            for found in decide_overdue(row, record):
                self._settle(row, found, detected_at, offset, effects)
                ended = True
            if ended:
                self._changed(row, offset, effects)
                if partition.counts_as_absent(row, record.occurred_at):
                    row = Row(row.journey_id, partition.policy)
        fact: Fact = Duplicate()
        unknown = not row.open and row.late_until is None
        forgotten_until = partition.forgotten_until(offset) if unknown else None
        for fact in decide(row, record, forgotten_until, partition.policy):
            self._settle(row, fact, detected_at, offset, effects)
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
        self.partition.keep(row)
        effects.changed[row.journey_id] = row
        if effects.forgotten:
            effects.forgotten.pop(row.journey_id, None)

    def _settle(self, row: Row, fact: Fact, detected_at: int, offset: int, effects: Effects) -> None:
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
            self.partition.count_opened(-1)
            return
        if isinstance(fact, Converted):
            effects.lifecycle.append(publisher.converted(row, fact, detected_at, offset))
            self.partition.count_opened(-1)
        elif isinstance(fact, _BEGINNINGS):
            self.partition.count_opened(1)
        evolve(row, fact)
        said = publisher.lifecycle(row, fact, detected_at, offset)
        if said is not None:
            effects.lifecycle.append(said)

    def _dead_letter(self, entry: Entry, error: InvalidRecordError) -> DeadLetter:
        value = entry.value
        return DeadLetter(
            topic=JOURNEY_EVENTS,
            partition=self.partition.number,
            offset=entry.offset,
            reason=str(error)[:_REASON_CHARACTERS],
            append_time=entry.append_time,
            record_key=None if entry.key is None else entry.key[:_DEAD_LETTER_BYTES],
            record_value=None if value is None else value[:_DEAD_LETTER_BYTES],
            value_size=0 if value is None else len(value),
            value_sha256="" if value is None else sha256(value).hexdigest(),
        )
