"""The simulated worker: batches of the input through the real processor and table, written one step at a time.

It writes in the order of the flusher: outputs, changed journey rows, partition row with the tombstones behind it,
consumer offset. Each step is one write, or the moment before the first write of several that are sent at once. A
worker can be left standing at each of them, for a while or for ever.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, Final, Protocol

from journeys.agents.kafka.topic_identity import replaced_topics
from journeys.schemas.codec import Codec
from journeys.schemas.records import OffsetSkipped
from journeys.schemas.rows import START_KEY
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.partition.changelog import (
    OutputMessage,
    output_messages,
    stored_partition,
    stored_rows,
    tombstones,
)
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import Entry, EntryFields
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.protocols import JourneyPartition
from journeys.streams.partition.restore import Restore
from journeys.streams.partition.starts import is_trial_due, next_start
from journeys.streams.partition.state import Partition
from journeys.streams.stored.stored_row import StoredRow
from tests.properties.draft import COUNT, NUMBER
from tests.simulation.marks import as_read, mark_entry, marks_in
from tests.simulation.topics import Topics
from tests.simulation.transport import Delivery, Transport

CODEC: Final = Codec()
SEND: Final = "send"
"""Begin of a step at which nothing is written yet."""
_LOST_ACKNOWLEDGEMENTS: Final = 0.04
_GATHERS: Final = 0.3
"""How often a worker takes one more batch before it writes."""


class FencedError(Exception):
    """Another worker has come further: this one must end."""


class ReplacedError(Exception):
    """A topic is another one than that of the table: a person has to look."""


class KilledError(Exception):
    """A record has killed the worker."""


class StalledError(Exception):
    """There are records and none is fetched: the watchdog ends the worker."""


class EntryProcessor(Protocol):
    """What a simulated worker uses of a processor."""

    def begin(self) -> Effects:
        """Effects of nothing yet, for batches to be added."""
        ...

    def apply(self, entries: Iterable[EntryFields], effects: Effects) -> None:
        """Apply entries, and add to the effects what they bring about."""
        ...

    def complete(self, effects: Effects) -> Effects:
        """Give the effects of all batches since `begin`, with the rows as they are now."""
        ...


class Worker:
    """One life of a worker. What a fault breaks on purpose is a method of its own here."""

    is_guarded: ClassVar[bool] = True
    """Whether a worker that stood still ends before it sends anything more."""

    def __init__(self, topics: Topics, chance: random.Random) -> None:
        self.topics = topics
        self.chance = chance
        self.partition = self.new_partition()
        self.steps: Iterator[str] = self.work()
        self.between_batches = False
        self.next_position = 0
        self._sought: int | None = None
        self._left: Delivery | None = None
        """A batch that did not join those that were gathered: it is next, when they are flushed."""
        self.looked_to = 0
        """Changelog position up to which this worker has seen what others wrote, and repaired it."""
        self._read_to = 0
        self.gaps: list[int] = []
        """Positions of the changelog that somebody else has written, and that were not looked at."""

    def new_partition(self) -> JourneyPartition:
        """Partition without rows, before the restore."""
        return Partition(NUMBER, COUNT)

    def work(self) -> Iterator[str]:
        """Restore, then apply batch after batch; yields behind each write."""
        yield from self.restore()
        self.require_own_topics()
        yield from self.begin()
        yield from self.apply()

    def require_own_topics(self) -> None:
        """Raise ReplacedError if the table was made with another input topic."""
        present = {JOURNEY_EVENTS: self.topics.input_id}
        if replaced := replaced_topics(self.partition.topic_ids, present):
            raise ReplacedError(replaced[0])
        self.partition.topic_ids = present

    def rejoin(self) -> Iterator[str]:
        """Go on with the partition as it is held, when others have owned it meanwhile: only their rows are read."""
        yield from self._take(self.topics.stored(self._read_to))
        yield from self.begin()
        yield from self.apply()

    def begin(self) -> Iterator[str]:
        """Note where this worker begins, and pass over what others did not get past."""
        self.partition.started = start = next_start(self.partition.started, self.resume_at())
        yield from self.store([StoredRow(START_KEY, CODEC.encode(start), start.offset)])
        if is_trial_due(start):
            yield from self.skip_deadly(start.offset)

    def skip_deadly(self, position: int) -> Iterator[str]:
        """Try records from a position on, and skip the one that ends the trial."""
        deadly = self.topics.deadly
        if deadly is None or deadly < position or self.partition.marks.skipped(deadly) is not None:
            return
        yield f"{SEND} mark"
        self.topics.input.append(mark_entry(self.topics.input, OffsetSkipped(deadly, "it kills", "quarantine")))
        yield f"mark that skips offset {deadly}"
        self.look_ahead()

    def restore(self) -> Iterator[str]:
        """Take the partition from the changelog, and write again what stale rows hide."""
        yield from self._take(self.readable())

    def apply(self) -> Iterator[str]:
        """Apply batches from the next offset on, to the end of the input."""
        processor = self.processor()
        # What the group knows may be old; so far the transport fetches from there.
        transport = Transport(self.topics.input, self.chance, self.chance.choice((0, self.topics.committed)))
        self.next_position = self.resume_at()
        self._sought = self._left = None
        transport.seek(self.next_position)
        while self.next_position < self.topics.end:
            delivery, self._left = self._left or transport.deliver(), None
            if delivery is None:
                raise StalledError
            if not self.takes(delivery, transport):
                continue
            self.between_batches = False
            yield from self.decide(delivery.entries)
            effects = processor.begin()
            processor.apply(self.as_read(delivery.entries), effects)
            self.next_position = delivery.entries[-1].offset + 1
            yield from self.gather(processor, transport, effects)
            yield from self.flush(processor.complete(effects))

    def gather(self, processor: EntryProcessor, transport: Transport, effects: Effects) -> Iterator[str]:
        """Apply more batches before anything is written, as long as they join without a hole."""
        while self.next_position < self.topics.end and self.chance.random() < _GATHERS:
            yield "gathered"
            following = transport.deliver()
            if following is None:
                raise StalledError
            if following.entries[0].offset != self.next_position:
                self._left = following
                return
            yield from self.decide(following.entries)
            processor.apply(self.as_read(following.entries), effects)
            self.next_position = following.entries[-1].offset + 1

    def decide(self, entries: Sequence[Entry]) -> Iterator[str]:
        """Ask the registry for ids of which no mark speaks, write its answers into the log, and read them there."""
        undecided = self.undecided(entries)
        if not undecided:
            return
        answers = [self.topics.registry.answer(schema_id) for schema_id in sorted(undecided)]
        yield f"{SEND} marks"
        for answer in answers:
            self.topics.input.append(mark_entry(self.topics.input, answer))
            yield f"mark of schema id {answer.schema_id}"
        self.look_ahead()

    def undecided(self, entries: Sequence[Entry]) -> set[int]:
        """Schema ids of records of which no mark speaks."""
        foreign = self.topics.foreign
        ids = {foreign[entry.offset] for entry in entries if entry.offset in foreign}
        return {schema_id for schema_id in ids if not self.partition.marks.decides(schema_id)}

    def as_read(self, entries: Sequence[Entry]) -> list[Entry]:
        """Entries as the marks that this worker knows say; raises KilledError for a record that kills."""
        deadly = self.topics.deadly
        if any(entry.offset == deadly for entry in entries) and self.partition.marks.skipped(deadly or 0) is None:
            raise KilledError
        return [as_read(entry, self.topics.foreign, self.partition.marks) for entry in entries]

    def look_ahead(self) -> None:
        """Know all marks that are in the log."""
        for offset, mark in marks_in(self.topics.input):
            self.partition.marks.add(offset, mark)

    def takes(self, delivery: Delivery, transport: Transport) -> bool:
        """Whether the batch holds the record to be applied next; if records were left out, they are fetched again."""
        first, last = delivery.entries[0].offset, delivery.entries[-1].offset
        if last < self.next_position:
            return False
        if first <= self.next_position or self.nothing_between(delivery, transport):
            return True
        if delivery.epoch == transport.epoch:
            transport.seek(self.next_position)
            self._sought = self.next_position
        return False

    def nothing_between(self, delivery: Delivery, transport: Transport) -> bool:
        """Whether a batch that begins later was fetched from the next position: the log itself has a hole there."""
        return delivery.is_first and delivery.epoch == transport.epoch and self._sought == self.next_position

    def readable(self) -> list[StoredRow]:
        """Records of the changelog, as the restore takes them."""
        return self.topics.stored()

    def processor(self) -> EntryProcessor:
        """Processor for the restored partition."""
        assert isinstance(self.partition, Partition)
        return Processor(self.partition)

    def resume_at(self) -> int:
        """First input offset to apply: behind the partition row's, whatever was committed."""
        return self.partition.applied_offset + 1

    def flush(self, effects: Effects) -> Iterator[str]:
        """Publish and store a batch, each step acknowledged before the next is sent."""
        yield from self.publish(self.messages(effects))
        yield from self.store(self.rows(effects))
        yield from self.store([self.partition_row(), *self.tombstones(effects)])
        yield from self.look_at_gaps()
        yield from self.commit()

    def messages(self, effects: Effects) -> list[OutputMessage]:
        """Output messages of a batch."""
        return output_messages(effects, CODEC)

    def rows(self, effects: Effects) -> list[StoredRow]:
        """Changed journey rows of a batch, with its policies."""
        return stored_rows(effects, CODEC)

    def tombstones(self, effects: Effects) -> list[StoredRow]:
        """Tombstones of a batch."""
        return tombstones(effects)

    def partition_row(self) -> StoredRow:
        """Row that says how far the partition has come."""
        return stored_partition(self.partition, CODEC)

    def publish(self, messages: Sequence[OutputMessage]) -> Iterator[str]:
        """Send outputs: those of one topic in order, the topics at once, all again where an acknowledgement is lost."""
        queues: dict[str, list[OutputMessage]] = {}
        for topic in dict.fromkeys(message.topic for message in messages):
            queues[topic] = [message for message in messages if message.topic == topic] * self._tries()
        if queues:
            yield f"{SEND} outputs"
        while queues:
            topic = self.chance.choice(list(queues))
            self.topics.outputs.append(queues[topic].pop(0))
            if not queues[topic]:
                del queues[topic]
            yield f"output to {topic}"

    def store(self, rows: Iterable[StoredRow]) -> Iterator[str]:
        """Append rows to the changelog, and note where somebody else has."""
        rows = list(rows)
        if not rows:
            return
        yield f"{SEND} rows"
        own: list[int] = []
        for row in rows:
            for _ in range(self._tries()):
                position = self.topics.append(row)
                yield f"row {row.key!r} of offset {row.offset}"
            own.append(position)  # where an acknowledgement is lost, the first copy is somebody's
        begin, self._read_to = self._read_to, own[-1] + 1
        known = set(own)
        self.gaps += [at for at in range(begin, self._read_to) if at not in known]

    def commit(self) -> Iterator[str]:
        """Commit the consumer's offset."""
        yield f"{SEND} commit"
        self.topics.committed = self.partition.applied_offset + 1
        self.between_batches = True
        yield f"commit {self.topics.committed}"

    def look_at_gaps(self) -> Iterator[str]:
        """Write newer rows again over what somebody else wrote; end where that is newer."""
        while self.gaps:
            foreign = [row for at in self.gaps if (row := self.topics.changelog[at]) is not None]
            self.gaps.clear()
            restore = Restore()
            for key, value, offset in foreign:
                if offset > self.partition.applied_offset:
                    raise FencedError
                restore.add(key, value, offset)
            yield from self.store(restore.onto(self.partition, CODEC))
        self.looked_to = self._read_to

    def write_again(self, rows: Iterable[StoredRow]) -> Iterator[str]:
        """Write what stale rows hide, at a restore."""
        yield from self.store(rows)

    def _take(self, rows: Iterable[StoredRow]) -> Iterator[str]:
        self._read_to = len(self.topics.changelog)
        self.gaps.clear()
        restore = Restore()
        for key, value, offset in rows:
            restore.add(key, value, offset)
        read_to = self._read_to
        yield from self.write_again(restore.onto(self.partition, CODEC))
        self.looked_to = read_to
        self.look_ahead()
        yield "restored"

    def _tries(self) -> int:
        """Sends of one record: another one when an acknowledgement is lost."""
        return 2 if self.chance.random() < _LOST_ACKNOWLEDGEMENTS else 1
