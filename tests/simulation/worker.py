"""The simulated worker: batches of the input through the real processor and table, written one step at a time.

It writes in the order of the flusher: outputs, changed journey rows, partition row, consumer offset. Each
step is one write; a worker can be left standing at each of them, for a while or for ever.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.codec import Codec
from streams.effects import Effects
from streams.partition import Partition
from streams.processor import Entry, Processor
from streams.table import OutputMessage, Restore, StoredRow, output_messages, stored_partition, stored_rows
from tests.properties.logs import COUNT, NUMBER

CODEC: Final = Codec()
_BATCH_SIZES: Final = (1, 1, 2, 3, 5, 8, 13)
_LOST_ACKNOWLEDGEMENTS: Final = 0.04


@dataclass
class Topics:
    """What outlives a worker."""

    input: Sequence[Entry]
    outputs: list[OutputMessage] = field(default_factory=list)
    changelog: list[StoredRow | None] = field(default_factory=list)
    """By position; None where it was compacted away."""
    committed: int = 0

    def stored(self, begin: int = 0, end: int | None = None) -> list[StoredRow]:
        """Return what a reader of the changelog finds there."""
        return [row for row in self.changelog[begin:end] if row is not None]

    def compact(self) -> None:
        """Keep the last record of each key alone, tombstones too."""
        last = {row.key: position for position, row in enumerate(self.changelog) if row is not None}
        kept = set(last.values())
        self.changelog[:] = [row if position in kept else None for position, row in enumerate(self.changelog)]


class FencedError(Exception):
    """Another worker has come further: this one must end."""


class Worker:
    """One life of a worker. What a fault breaks on purpose is a method of its own here."""

    def __init__(self, topics: Topics, chance: random.Random) -> None:
        self.topics = topics
        self.chance = chance
        self.partition = Partition(NUMBER, COUNT)
        self.steps: Iterator[str] = self.work()
        self.between_batches = False
        self._read_to = 0

    def work(self) -> Iterator[str]:
        """Restore, then apply batch after batch; yields behind each write."""
        yield from self.restore()
        yield from self.apply()

    def rejoin(self) -> Iterator[str]:
        """Go on with the partition as it is held, when others have owned it meanwhile: only their rows are read."""
        yield from self._take(self.topics.stored(self._read_to))
        yield from self.apply()

    def restore(self) -> Iterator[str]:
        """Take the partition from the changelog, and write again what stale rows hide."""
        yield from self._take(self.readable())

    def _take(self, rows: Iterable[StoredRow]) -> Iterator[str]:
        self._read_to = len(self.topics.changelog)
        restore = Restore()
        for key, value, offset in rows:
            restore.add(key, value, offset)
        yield from self.store(restore.onto(self.partition, CODEC))
        yield "restored"

    def apply(self) -> Iterator[str]:
        """Apply batches from the next offset on, to the end of the input."""
        processor = self.processor()
        position = self.resume_at()
        while batch := self.batch(position):
            self.between_batches = False
            effects = processor.process(batch)
            yield from self.flush(effects)
            position = batch[-1].offset + 1

    def readable(self) -> list[StoredRow]:
        """Records of the changelog, as the restore takes them."""
        return self.topics.stored()

    def processor(self) -> Processor:
        """Processor for the restored partition."""
        return Processor(self.partition)

    def resume_at(self) -> int:
        """First input offset to read: behind the partition row's, whatever was committed."""
        return self.partition.applied_offset + 1

    def batch(self, position: int) -> list[Entry]:
        """Next records from `position` on, as many as the fetch happens to bring."""
        size = self.chance.choice(_BATCH_SIZES)
        first = next((n for n, entry in enumerate(self.topics.input) if entry.offset >= position), None)
        return [] if first is None else list(self.topics.input[first : first + size])

    def flush(self, effects: Effects) -> Iterator[str]:
        """Publish and store a batch, each step acknowledged before the next is sent."""
        yield from self.publish(self.messages(effects))
        yield from self.store(self.rows(effects))
        yield from self.store([self.partition_row()])
        yield from self.commit()

    def messages(self, effects: Effects) -> list[OutputMessage]:
        """Output messages of a batch."""
        return output_messages(effects, CODEC)

    def rows(self, effects: Effects) -> list[StoredRow]:
        """Changed journey rows of a batch, with its policies and tombstones."""
        return stored_rows(effects, CODEC)

    def partition_row(self) -> StoredRow:
        """Row that says how far the partition has come."""
        return stored_partition(self.partition, CODEC)

    def publish(self, messages: Sequence[OutputMessage]) -> Iterator[str]:
        """Send outputs: those of one topic in order, the topics at once."""
        queues = {message.topic: [own for own in messages if own.topic == message.topic] for message in messages}
        while queues:
            topic = self.chance.choice(list(queues))
            message = queues[topic].pop(0)
            for _ in self._tries():
                self.topics.outputs.append(message)
                yield f"output to {topic}"
            if not queues[topic]:
                del queues[topic]

    def store(self, rows: Iterable[StoredRow]) -> Iterator[str]:
        """Append rows to the changelog, and see whether nobody else has."""
        changelog = self.topics.changelog
        own: set[int] = set()
        for row in rows:
            for _ in self._tries():
                own.add(len(changelog))
                changelog.append(row)
                yield f"row {row.key!r} of offset {row.offset}"
        if not own:
            return
        begin, self._read_to = self._read_to, max(own) + 1
        foreign = [changelog[position] for position in range(begin, self._read_to) if position not in own]
        if foreign:
            yield from self._look_at([row for row in foreign if row is not None])

    def commit(self) -> Iterator[str]:
        """Commit the consumer's offset."""
        self.topics.committed = self.partition.applied_offset + 1
        self.between_batches = True
        yield f"commit {self.topics.committed}"

    def _look_at(self, foreign: Sequence[StoredRow]) -> Iterator[str]:
        """Write newer rows again over what somebody else wrote; end where that is newer."""
        restore = Restore()
        for key, value, offset in foreign:
            if offset > self.partition.applied_offset:
                raise FencedError
            restore.add(key, value, offset)
        yield from self.store(restore.onto(self.partition, CODEC))

    def _tries(self) -> range:
        """Sends of one record: another one when an acknowledgement is lost."""
        return range(2 if self.chance.random() < _LOST_ACKNOWLEDGEMENTS else 1)
