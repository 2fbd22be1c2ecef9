"""Planted faults of marks: how records are read depends on who reads them, and when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from journeys.schemas.records import SchemaDecided
from journeys.streams.partition.entry import Entry
from tests.simulation.marks import mark_entry, marks_in
from tests.simulation.worker import SEND, Worker


class AnswersNotLogged(Worker):
    """What the registry answers is not written into the log: the next worker, or a replay, hears something else."""

    def decide(self, entries: Sequence[Entry]) -> Iterator[str]:
        """Believe the registry at once."""
        yield from ()
        for schema_id in sorted(self.undecided(entries)):
            self.partition.marks.add(-schema_id, self.topics.registry.answer(schema_id))


class OwnAnswerFirst(Worker):
    """A worker believes the mark that it has written, and does not look for one in front of it."""

    def decide(self, entries: Sequence[Entry]) -> Iterator[str]:
        """Write answers into the log, and know no others."""
        for schema_id in sorted(self.undecided(entries)):
            answer = self.topics.registry.answer(schema_id)
            yield f"{SEND} marks"
            self.topics.input.append(mark_entry(self.topics.input, answer))
            self.partition.marks.add(self.topics.input[-1].offset, answer)
            yield f"mark of schema id {schema_id}"


class MarksNotLookedFor(Worker):
    """A restored worker knows the marks of its table, and none that stand ahead of it."""

    def look_ahead(self) -> None:
        """Know only what has passed by, and what is its own."""
        applied = self.partition.applied_offset
        for offset, mark in marks_in(self.topics.input):
            if offset <= applied or isinstance(mark, SchemaDecided):
                self.partition.marks.add(offset, mark)


class QuarantineOff(Worker):
    """What kills a worker is tried by nobody: it kills the next one, too, and all that come."""

    def skip_deadly(self, position: int) -> Iterator[str]:
        """Skip nothing."""
        del position
        yield from ()
