"""Driver: replays a file or a recorded log through the reference. No I/O: the caller passes the records in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import ClockCorrected, InputRecord, JourneyRecord, Punctuation
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import Entry, EntryFields
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.record_processor import require_own
from journeys.streams.partition.state import Partition
from journeys.streams.rule.clock import require_counting
from journeys.streams.rule.policy import Policy


def replay_unpunctuated(
    numbered: Iterable[tuple[int, JourneyRecord]], *, policy: Policy | None = None, until: int | None = None
) -> Iterator[Effects]:
    """Replay records without punctuations, as one partition; the line number is the offset.

    Before every record a punctuation is made at the greatest occurred_at so far, that record's included,
    and one at the end at `until` (ms; default: the greatest, for a history ends at its last record, and what is not
    decided by then stays open). Grace is 0. The first record whose punctuation would lie after `until` ends the
    reading. Effects come as they arise, one for each record.
    """
    processor = Processor(Partition(policy=policy, grace_ms=0), provenance=False)
    greatest: int | None = None
    behind = 0
    for number, record in numbered:
        now = record.occurred_at if greatest is None else max(greatest, record.occurred_at)
        behind = number
        if until is not None and now > until:
            break
        behind += 1
        greatest = now
        effects = Effects()
        processor.punctuate(now, number, effects)
        for row in effects.changed.values():
            row.offset = number - 1  # it stands in front of its line, which may be of the same journey
        yield effects
        yield processor.process([_entry(number, record)])
    if greatest is not None:
        effects = Effects()
        processor.punctuate(greatest if until is None else until, behind, effects)
        yield effects


def replay_punctuated(
    numbered: Iterable[tuple[int, InputRecord]], *, policy: Policy | None = None, until: int | None = None
) -> Iterator[Effects]:
    """Replay records that hold their own punctuations, as one partition, with the policy's grace."""
    partition = Partition(policy=policy)
    partition.time_source = "simulated"  # lines have no append time
    entries = (_entry(number, record) for number, record in numbered)
    return replay_partition(entries, partition, until=until, provenance=False)


def replay_partition(
    entries: Iterable[EntryFields], partition: Partition, *, until: int | None = None, provenance: bool = True
) -> Iterator[Effects]:
    """Replay one partition of a recorded log. The first record whose time lies after `until` (ms) ends the reading.

    Nothing is added: what no punctuation of the log has fired stays open.
    """
    processor = Processor(partition, provenance=provenance)
    for entry in entries:
        if until is not None and _lies_after(partition, entry, until):
            return
        yield processor.process([entry])


def _lies_after(partition: Partition, entry: EntryFields, until: int) -> bool:
    """Whether the time of a record lies after `until`; one that becomes a dead letter has none."""
    _, key, append_time, record, _ = entry
    try:
        if isinstance(record, Punctuation | ClockCorrected):
            at = record.at
            if at > until:
                require_counting(partition.time_source, record, append_time)
        elif isinstance(record, JourneyRecord):
            at = record.occurred_at
            if at > until:
                require_own(partition, record, key, append_time)
        else:
            return False
    except InvalidRecordError:
        return False
    return at > until


def _entry(number: int, record: InputRecord) -> Entry:
    key = record.journey_id.encode() if isinstance(record, JourneyRecord) else None
    return Entry(number, key, None, record)
