"""The lazy index knows the first deadline at every moment, whatever opened, moved, ended or came back."""

from __future__ import annotations

from hypothesis import given, settings

from journeys.streams.partition.entry import Entry
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from tests.fixtures.examples import examples
from tests.properties.draft import COUNT, NUMBER
from tests.properties.logs import logs
from tests.properties.outcome import Outcome, restored

_settings = settings(max_examples=examples(150), deadline=None)


def _first_due_at(partition: Partition) -> int | None:
    """What a look at every row gives."""
    return min((partition.due_at(row) for row in partition.rows.values() if row.open), default=None)


@_settings
@given(log=logs())
def test_the_first_deadline_is_known_after_every_record(log: list[Entry]) -> None:
    """No episode is forgotten and none comes up late, also where it began again under shorter deadlines."""
    partition = Partition(NUMBER, COUNT)
    processor = Processor(partition)
    for entry in log:
        processor.process([entry])
        assert partition.next_due_at() == _first_due_at(partition)


@_settings
@given(log=logs())
def test_the_first_deadline_is_known_after_every_restart(log: list[Entry]) -> None:
    """The index is not stored; it follows from the rows."""
    outcome = Outcome()
    for entry in log:
        partition, _ = restored(outcome.changelog)
        assert partition.next_due_at() == _first_due_at(partition)
        outcome.take(Processor(partition).process([entry]), partition)


@_settings
@given(log=logs())
def test_a_punctuation_leaves_nothing_due(log: list[Entry]) -> None:
    """What is due fires at once, with extensions that come due one behind the other; a dead letter fires nothing."""
    partition = Partition(NUMBER, COUNT)
    processor = Processor(partition)
    for entry in log:
        if processor.process([entry]).counts.punctuations:
            due_at = partition.next_due_at()
            assert due_at is None or due_at > (partition.clock or 0)
