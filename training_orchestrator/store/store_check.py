"""Compares the rows and outputs of a store with a replay of its own log.

All is read in one snapshot. Rows and outputs may lag behind the log, after a crash or while a manager runs; the next
start makes up for that. So rows are compared at their own offset, and outputs as far as any are stored.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from sys import maxsize
from typing import Final

from journeys.agents.verify.output_comparison import OUTPUT_RECORDS, OutputComparison, TopicComparison
from journeys.agents.verify.store_report import StoreReport
from journeys.agents.verify.stored_partition import StoredPartition
from journeys.agents.verify.table_comparison import TableReport
from journeys.schemas.codec import Codec
from journeys.schemas.records import OutputRecord
from journeys.schemas.topics import DEAD_LETTERS, JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import EntryFields
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from training_orchestrator.embedded.local_log import entries_of

_STORED: Final = 'SELECT sequence, "offset", topic, value FROM output ORDER BY sequence'
_ENDS: Final = """
SELECT coalesce((SELECT max("offset") FROM input), -1) + 1, coalesce((SELECT max("offset") FROM output), -1) + 1
"""


def check_store(connection: sqlite3.Connection, stored: Partition, codec: Codec, shown: int) -> StoreReport:
    """Replay the log of a connection within one read transaction; `stored` is the partition of its rows.

    At most `shown` differences of rows and of each topic are described. Memory grows with the journeys, not with the
    log.
    """
    table, outputs = TableReport(shown), StoredOutputs(connection, codec, shown)
    log_end, outputs_end = connection.execute(_ENDS).fetchone()
    rows_end = stored.applied_offset + 1
    end = max(outputs_end, rows_end)  # rows are stored in one transaction with the outputs before them
    expected = Partition()
    processor = Processor(expected)
    rows_compared = False
    for entries in _batches(connection, codec, rows_end, end):
        if not rows_compared and entries[0][0] >= rows_end:
            rows_compared = True
            table.compare(StoredPartition(stored, {}), expected, log_end)
        outputs.take([processor.process([entry]) for entry in entries], entries[-1][0] + 1)
    if rows_end > log_end:
        table.add_beyond_log(0, stored.applied_offset, log_end)
    elif not rows_compared:
        table.compare(StoredPartition(stored, {}), expected, log_end)
    table.records_read = min(end, log_end)
    return StoreReport(table, outputs.result())


class StoredOutputs:
    """Compares stored outputs with those of a replay, one batch at a time."""

    def __init__(self, connection: sqlite3.Connection, codec: Codec, shown: int) -> None:
        self._codec = codec
        self._shown = shown
        self._by_topic = {topic: TopicComparison(topic) for topic, _ in OUTPUT_RECORDS}
        self._cursor = connection.execute(_STORED)
        self._next = self._cursor.fetchone()

    def take(self, effects: Sequence[Effects], end: int) -> None:
        """Compare the effects of the next records, up to the offset `end`, with their stored outputs."""
        batch = {
            topic: OutputComparison(topic, record, self._codec, self._shown - len(self._by_topic[topic].differences))
            for topic, record in OUTPUT_RECORDS
        }
        for each in effects:
            for topic, records in _outputs_of(each):
                for record in records:
                    batch[topic].expect(record)
        for sequence, topic, value in self._stored_before(end):
            if topic in batch:  # an output under another topic's name counts as missing
                batch[topic].add_published(value, f"output {sequence}", is_ahead=False)
        for topic, comparison in batch.items():
            self._by_topic[topic].add(comparison.result())

    def result(self) -> list[TopicComparison]:
        """Compare the remaining outputs, of offsets beyond the log, and give the result by topic."""
        self.take([], maxsize)
        return list(self._by_topic.values())

    def _stored_before(self, end: int) -> Iterator[tuple[int, str, bytes]]:
        while self._next is not None and self._next[1] < end:
            sequence, _, topic, value = self._next
            yield sequence, topic, value
            self._next = self._cursor.fetchone()


def _outputs_of(effects: Effects) -> tuple[tuple[str, Sequence[OutputRecord]], ...]:
    return (
        (JOURNEY_ABANDONMENTS, effects.abandonments),
        (JOURNEY_LIFECYCLE, effects.lifecycle),
        (DEAD_LETTERS, effects.dead_letters),
    )


def _batches(connection: sqlite3.Connection, codec: Codec, rows_end: int, end: int) -> Iterator[list[EntryFields]]:
    """The input before the offset `end`, in batches of which one ends at `rows_end`."""
    for batch in entries_of(connection, 0, codec):
        before_end = [entry for entry in batch if entry[0] < end]
        for part in ([e for e in before_end if e[0] < rows_end], [e for e in before_end if e[0] >= rows_end]):
            if part:
                yield part
        if len(before_end) < len(batch):
            return
