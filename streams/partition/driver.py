"""Driver: replays a file or a recorded log through the reference. No I/O: the caller passes the records in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import InputRecord, JourneyRecord, PolicyChanged, Punctuation
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import Entry, EntryFields
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
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
    entries = (_entry(number, record) for number, record in numbered)
    return replay_partition(entries, Partition(policy=policy), until=until, provenance=False)


def replay_partition(
    entries: Iterable[EntryFields], partition: Partition, *, until: int | None = None, provenance: bool = True
) -> Iterator[Effects]:
    """Replay one partition of a recorded log. The first record whose time lies after `until` (ms) ends the reading.

    Nothing is added: what no punctuation of the log has fired stays open.
    """
    processor = Processor(partition, provenance=provenance)
    for entry in entries:
        if until is not None and _lies_after(entry[3], until):
            return
        yield processor.process([entry])


def _lies_after(record: InputRecord | InvalidRecordError, until: int) -> bool:
    if isinstance(record, Punctuation):
        return record.at > until
    if isinstance(record, PolicyChanged | Exception):
        return False
    return record.occurred_at > until


def _entry(number: int, record: InputRecord) -> Entry:
    key = None if isinstance(record, Punctuation | PolicyChanged) else record.journey_id.encode()
    return Entry(number, key, None, record)
