"""What came of a log, put so that two runs of it can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from journeys.schemas.codec import Codec
from journeys.schemas.records import DeadLetter, JourneyAbandoned, JourneyLifecycle
from journeys.streams.partition.changelog import output_messages, stored_partition, stored_rows, tombstones
from journeys.streams.partition.effects import Counts, Effects
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.restore import Restore
from journeys.streams.partition.state import Partition
from journeys.streams.stored.stored_row import StoredRow
from tests.properties.draft import COUNT, NUMBER

CODEC: Final = Codec()
# At this time no journey is forgotten for a record's own time.
_LONG_AGO: Final = 0


@dataclass
class Outcome:
    """Outputs in firing order, records by what became of them, and the changelog."""

    abandonments: list[JourneyAbandoned] = field(default_factory=list)
    lifecycle: list[JourneyLifecycle] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    changelog: list[StoredRow] = field(default_factory=list)
    wire: dict[str, list[bytes]] = field(default_factory=dict)
    """Values of the output messages, by topic."""

    def take(self, effects: Effects, partition: Partition) -> None:
        """Add a batch's effects, stored as a flush stores them."""
        self.abandonments += effects.abandonments
        self.lifecycle += effects.lifecycle
        self.dead_letters += effects.dead_letters
        self.counts.add(effects.counts)
        for message in output_messages(effects, CODEC):
            self.wire.setdefault(message.topic, []).append(message.value)
        self.changelog += stored_rows(effects, CODEC)
        self.changelog.append(stored_partition(partition, CODEC))
        self.changelog += tombstones(effects)

    @property
    def table(self) -> dict[bytes, StoredRow]:
        """Last changelog record of each key, tombstones included."""
        return {row.key: row for row in self.changelog}

    @property
    def outputs(self) -> tuple[Any, ...]:
        """All that was published, in order."""
        return self.abandonments, self.lifecycle, self.dead_letters, self.wire


def run(batches: Iterable[Sequence[Entry]]) -> Outcome:
    """Outcome of batches on an empty partition."""
    partition = Partition(NUMBER, COUNT)
    outcome = Outcome()
    for batch in batches:
        outcome.take(Processor(partition).process(batch), partition)
    return outcome


def restored(changelog: Iterable[StoredRow]) -> tuple[Partition, list[StoredRow]]:
    """Partition of a changelog, and the rows that have to be written again."""
    restore = Restore()
    for key, value, offset in changelog:
        restore.add(key, value, offset)
    partition = Partition(NUMBER, COUNT)
    return partition, restore.onto(partition, CODEC)


def remembered(partition: Partition) -> dict[str, dict[str, Any]]:
    """Rows that the clock has not forgotten, as they are stored: what deleting must not change."""
    return {
        journey_id: row.stored()
        for journey_id, row in partition.rows.items()
        if not partition.counts_as_absent(row, _LONG_AGO)
    }
