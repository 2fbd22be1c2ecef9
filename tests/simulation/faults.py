"""Planted faults: each breaks one thing on purpose, and the simulation must find it.

A simulation that finds nothing proves something only if it finds these.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Final

from journeys.schemas.records import Punctuation
from journeys.schemas.rows import PARTITION_KEY
from journeys.streams.partition.changelog import OutputMessage
from journeys.streams.partition.deadline_index import DeadlineIndex
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import Entry, EntryFields
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from journeys.streams.rule.row import Row
from journeys.streams.stored.stored_row import StoredRow
from tests.simulation.mark_faults import AnswersNotLogged, MarksNotLookedFor, OwnAnswerFirst, QuarantineOff
from tests.simulation.transport import Delivery, Transport
from tests.simulation.worker import CODEC, EntryProcessor, Worker


class CommitsFirst(Worker):
    """The offset is committed before the flush, and believed after a restart."""

    def resume_at(self) -> int:
        """First input offset to read, as the consumer group has it."""
        return self.topics.committed

    def flush(self, effects: Effects) -> Iterator[str]:
        """Commit, then publish and store."""
        yield from self.commit()
        yield from super().flush(effects)


class RowsBeforeOutputs(Worker):
    """Rows are sent while outputs are not acknowledged yet."""

    def flush(self, effects: Effects) -> Iterator[str]:
        """Store rows, then publish."""
        yield from self.store(self.rows(effects))
        yield from self.publish(self.messages(effects))
        yield from self.store([self.partition_row(), *self.tombstones(effects)])
        yield from self.look_at_gaps()
        yield from self.commit()


class PartitionRowBeforeRows(Worker):
    """The partition row is sent in front of the rows that it speaks for."""

    def flush(self, effects: Effects) -> Iterator[str]:
        """Publish, store the partition row, then the others."""
        yield from self.publish(self.messages(effects))
        yield from self.store([self.partition_row()])
        yield from self.store([*self.rows(effects), *self.tombstones(effects)])
        yield from self.look_at_gaps()
        yield from self.commit()


class PoliciesBehindRows(Worker):
    """Journey rows are sent in front of the policies that they name."""

    def rows(self, effects: Effects) -> list[StoredRow]:
        """Rows in the wrong order."""
        return list(reversed(super().rows(effects)))


class NextBatchTooSoon(Worker):
    """The next batch is applied while the rows of this one are not stored: rows are the live objects."""

    def work(self) -> Iterator[str]:
        """Publish a batch, apply the next, and only then store the rows of the first."""
        yield from self.restore()
        processor = self.processor()
        batch = self._batch(self.resume_at())
        effects = processor.process(batch)
        while batch:
            yield from self.publish(self.messages(effects))
            partition_row = self.partition_row()
            batch = self._batch(batch[-1].offset + 1)
            following = processor.process(batch)
            yield from self.store(self.rows(effects))
            yield from self.store([partition_row])
            effects = following

    def _batch(self, position: int) -> list[Entry]:
        """Next records from `position` on."""
        return [entry for entry in self.topics.input if entry.offset >= position][: self.chance.choice((1, 2, 5))]


class FiresRowsAhead(Worker):
    """A punctuation is applied to rows that are ahead of it."""

    def processor(self) -> EntryProcessor:
        """Processor that takes rows ahead for rows behind while it fires."""
        assert isinstance(self.partition, Partition)
        return _FiringRowsAhead(self.partition)


class _FiringRowsAhead(Processor):
    def _fire(self, clock: int, offset: int, effects: Effects) -> None:
        ahead = [(row, row.offset) for row in self.partition.rows.values() if row.offset >= offset]
        for row, _ in ahead:
            row.offset = offset - 1
        super()._fire(clock, offset, effects)
        for row, was in ahead:
            row.offset = was


class AppliesToRowsAhead(Worker):
    """Rows that a crash left ahead are taken for rows of the partition's offset: their records count twice."""

    def restore(self) -> Iterator[str]:
        """Restore, and forget how far each row has come."""
        yield from super().restore()
        for row in self.partition.rows.values():
            row.offset = min(row.offset, self.partition.applied_offset)


class TombstoneAtTheEnd(Worker):
    """The end of an episode deletes the row in place of leaving a closed one."""

    def tombstones(self, effects: Effects) -> list[StoredRow]:
        """Tombstones of a batch, one for each row that is closed."""
        ended = copy.copy(effects)
        ended.deleted = effects.deleted | {row.journey_id: row.offset for row in _closed(effects)}
        return super().tombstones(ended)


def _closed(effects: Effects) -> list[Row]:
    return [row for row in effects.changed.values() if not row.open]


class TombstonesBeforePartitionRow(Worker):
    """Tombstones are sent with the rows: compacted away before anybody comes back, they leave nothing behind."""

    def rows(self, effects: Effects) -> list[StoredRow]:
        """Rows of a batch, tombstones in place of what it deleted."""
        kept = copy.copy(effects)
        kept.changed = {name: row for name, row in effects.changed.items() if name not in effects.deleted}
        return [*super().rows(kept), *super().tombstones(effects)]

    def tombstones(self, effects: Effects) -> list[StoredRow]:  # noqa: ARG002  (as the worker has it)
        """None behind the partition row."""
        return []


class ForgottenRowsNotStored(Worker):
    """A row that changed and was forgotten in one batch is not stored: a crash may leave the open one in its place."""

    def rows(self, effects: Effects) -> list[StoredRow]:
        """Rows of a batch that it has not deleted."""
        kept = copy.copy(effects)
        kept.changed = {name: row for name, row in effects.changed.items() if name not in effects.deleted}
        return super().rows(kept)


class RepairsBeforePartitionRow(Worker):
    """What others wrote is looked at before the partition row: repairs delete what this batch forgot, too soon."""

    def flush(self, effects: Effects) -> Iterator[str]:
        """Look at gaps behind the rows."""
        yield from self.publish(self.messages(effects))
        yield from self.store(self.rows(effects))
        yield from self.look_at_gaps()
        yield from self.store([self.partition_row(), *self.tombstones(effects)])
        yield from self.look_at_gaps()
        yield from self.commit()


class RandomIds(Worker):
    """Ids are drawn, not derived."""

    def messages(self, effects: Effects) -> list[OutputMessage]:
        """Output messages with another id at each attempt."""
        drawn = copy.copy(effects)
        drawn.abandonments = [
            record._replace(abandonment_id=f"{self.chance.getrandbits(128):032x}") for record in effects.abandonments
        ]
        return super().messages(drawn)


class ClockNotStored(Worker):
    """The clock is not in the partition row."""

    def partition_row(self) -> StoredRow:
        """Partition row of a partition that has seen no punctuation."""
        value = CODEC.encode(self.partition.row()._replace(clock=None))
        return StoredRow(PARTITION_KEY, value, self.partition.applied_offset)


class IndexNotRebuilt(Worker):
    """Rows come back from the changelog, their deadlines do not."""

    def restore(self) -> Iterator[str]:
        """Restore, and lose the index."""
        yield from super().restore()
        self.partition._deadlines = DeadlineIndex()


class LastRowWins(Worker):
    """A restore takes the last row of each key in place of the one with the greatest offset."""

    def readable(self) -> list[StoredRow]:
        """Last record of each key."""
        return list({row.key: row for row in self.topics.stored()}.values())


class TombstonesWithoutOffset(Worker):
    """A tombstone deletes whatever stands before it, and does not say how far its journey had come."""

    def readable(self) -> list[StoredRow]:
        """Records of the changelog, each tombstone with the offset of the row in front of it."""
        reached: dict[bytes, int] = {}
        found = []
        for key, value, offset in self.topics.stored():
            stands_for = reached.get(key, -1) if value is None else offset
            reached[key] = max(reached.get(key, -1), stands_for)
            found.append(StoredRow(key, value, stands_for))
        return found


class GreatestAcknowledgedCommitted(Worker):
    """Whatever batch comes is applied, and what stands before it counts as applied, too."""

    def takes(self, delivery: Delivery, transport: Transport) -> bool:  # noqa: ARG002  (as the worker has it)
        """Whether it holds anything new."""
        return delivery.entries[-1].offset >= self.next_position


class AnyBatchBehindASeek(Worker):
    """Each batch that was fetched since a seek counts as the first behind it, which may have been thrown away."""

    def nothing_between(self, delivery: Delivery, transport: Transport) -> bool:
        """Whether it was fetched since the seek."""
        return super().nothing_between(delivery._replace(is_first=True), transport)


class NoFreezeGuard(Worker):
    """A worker that stood still goes on as if nothing had happened.

    The other fences leave it this: it writes old rows over newer ones while nobody owns the partition, and nobody
    comes back for longer than the changelog waits with compaction.
    """

    is_guarded = False


class GapsNotLookedAt(Worker):
    """What others wrote between a worker's own rows is not read: a day later stale rows are all that is left."""

    def look_at_gaps(self) -> Iterator[str]:
        """Look away."""
        self.gaps.clear()
        return super().look_at_gaps()


class TopicIdentityNotLookedAt(Worker):
    """An input topic of the same name is taken for the same: its beginning is skipped, as if it had been applied."""

    def require_own_topics(self) -> None:
        """Take whatever has the name."""


class StaleRowsLeft(Worker):
    """A restore takes the greatest offset, and leaves the stale row where it hides it."""

    def write_again(self, rows: Iterable[StoredRow]) -> Iterator[str]:  # noqa: ARG002  (as the worker has it)
        """Write nothing."""
        yield from ()


class ClockGuardOff(Worker):
    """A punctuation counts however far it lies ahead of its append time: a wrong clock ends journeys."""

    def processor(self) -> EntryProcessor:
        """Processor that takes the time of a punctuation for its append time."""
        assert isinstance(self.partition, Partition)
        return _WithoutClockGuard(self.partition)


class _WithoutClockGuard(Processor):
    def apply(self, entries: Iterable[EntryFields], effects: Effects) -> None:
        super().apply(map(_appended_when_it_says, entries), effects)


def _appended_when_it_says(entry: EntryFields) -> EntryFields:
    offset, key, _, record, value = entry
    return (offset, key, record.at, record, value) if isinstance(record, Punctuation) else entry


class CorrectionNotStored(Worker):
    """What a corrected clock gives back to journeys is not stored: a restart takes it away again."""

    def rows(self, effects: Effects) -> list[StoredRow]:
        """Rows of a batch, those of ended journeys left out where a correction was among its records."""
        kept = copy.copy(effects)
        if effects.counts.clock_corrections:
            kept.changed = {name: row for name, row in effects.changed.items() if row.open}
        return super().rows(kept)


FAULTS: Final[dict[str, type[Worker]]] = {
    "commit-before-flush": CommitsFirst,
    "rows-before-outputs": RowsBeforeOutputs,
    "partition-row-before-rows": PartitionRowBeforeRows,
    "policies-behind-rows": PoliciesBehindRows,
    "next-batch-too-soon": NextBatchTooSoon,
    "fires-rows-ahead": FiresRowsAhead,
    "applies-to-rows-ahead": AppliesToRowsAhead,
    "tombstone-at-the-end": TombstoneAtTheEnd,
    "tombstones-before-partition-row": TombstonesBeforePartitionRow,
    "forgotten-rows-not-stored": ForgottenRowsNotStored,
    "repairs-before-partition-row": RepairsBeforePartitionRow,
    "tombstones-without-offset": TombstonesWithoutOffset,
    "random-ids": RandomIds,
    "clock-not-stored": ClockNotStored,
    "index-not-rebuilt": IndexNotRebuilt,
    "last-row-wins": LastRowWins,
    "greatest-acknowledged": GreatestAcknowledgedCommitted,
    "any-batch-behind-a-seek": AnyBatchBehindASeek,
    "no-freeze-guard": NoFreezeGuard,
    "gaps-not-looked-at": GapsNotLookedAt,
    "stale-rows-left": StaleRowsLeft,
    "registry-answer-not-logged": AnswersNotLogged,
    "own-answer-first": OwnAnswerFirst,
    "marks-not-looked-for": MarksNotLookedFor,
    "clock-guard-off": ClockGuardOff,
    "correction-not-stored": CorrectionNotStored,
    "topic-identity-not-looked-at": TopicIdentityNotLookedAt,
    "quarantine-off": QuarantineOff,
}
