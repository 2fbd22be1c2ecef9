"""Logs with schema ids that only a registry knows, and with skipped offsets; and the registry itself.

What the registry answers depends on when it is asked: a follower lags, and knows an id only after some questions. So
whoever does not write its answers into the log can't give twice the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.marks import Marks, mark_value
from journeys.schemas.records import JourneyRecord, Mark, OffsetSkipped, SchemaDecided
from journeys.streams.partition.entry import Entry

_IDS: Final = (701, 702, 703, 704)
_LAGS: Final = (0, 1, 2, 3, 5, None)
_FOREIGN: Final = 0.3
_SKIPPED: Final = (0, 1, 1, 2)
_PATIENCE: Final = 2
"""So often a worker asks before it takes no for an answer."""


@dataclass
class Registry:
    """Ids by the number of questions that it takes until their schema is known; None: it never is."""

    lags: dict[int, int | None] = field(default_factory=dict)
    asked: dict[int, int] = field(default_factory=dict)

    def answer(self, schema_id: int) -> SchemaDecided:
        """What a worker hears that asks with patience."""
        for _ in range(_PATIENCE):
            self.asked[schema_id] = self.asked.get(schema_id, 0) + 1
            lag = self.lags[schema_id]
            if lag is not None and self.asked[schema_id] > lag:
                return SchemaDecided(schema_id, "known")
        return SchemaDecided(schema_id, None, "not known")


def with_marks(log: Sequence[Entry], seed: int) -> tuple[list[Entry], dict[int, int], dict[int, int | None]]:
    """A log, with marks at its end that skip some of it; ids of foreign records by offset; and the registry's lags."""
    chance = random.Random(f"foreign {seed}")
    foreign = {
        entry.offset: chance.choice(_IDS)
        for entry in log
        if isinstance(entry.record, JourneyRecord) and chance.random() < _FOREIGN
    }
    marked = list(log)
    for entry in chance.sample(list(log), min(len(log), chance.choice(_SKIPPED))):
        marked.append(mark_entry(marked, OffsetSkipped(entry.offset, "by hand")))
    return marked, foreign, {schema_id: chance.choice(_LAGS) for schema_id in _IDS}


def mark_entry(log: Sequence[Entry], mark: Mark) -> Entry:
    """Entry of a mark at the end of a log."""
    return Entry(log[-1].offset + 1, None, log[-1].append_time, mark, mark_value(mark))


def marks_in(log: Iterable[Entry]) -> Iterable[tuple[int, Mark]]:
    """Offsets and marks of a log."""
    return ((entry.offset, entry.record) for entry in log if isinstance(entry.record, Mark))


def as_read(entry: Entry, foreign: dict[int, int], marks: Marks) -> Entry:
    """An entry as marks say that it is read; a foreign record of which they say nothing is a dead letter."""
    skipped = marks.skipped(entry.offset)
    if skipped is not None:
        return entry._replace(record=skipped)
    schema_id = foreign.get(entry.offset)
    if schema_id is None:
        return entry
    mark = marks.decision(schema_id, entry.offset)
    if mark is not None and mark.schema is not None:
        return entry
    why = "nobody says" if mark is None else str(mark.refusal)
    return entry._replace(record=InvalidRecordError("schema id", schema_id, why))
