"""Makes the dashboard's index of history in files: the rule is applied once, as a replay does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from journeys.agents.dashboard.indexed_partition import IndexedPartition
from journeys.agents.dashboard.journey_index import JourneyIndex
from journeys.agents.dashboard.log_index import LogIndexer
from journeys.agents.history.line_files import BadLine
from journeys.agents.history.open_history import HistoryFile
from journeys.agents.history.repeats import remembering_most
from journeys.schemas.records import InputRecord, JourneyRecord
from journeys.streams.partition.driver import replay_unpunctuated
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.state import Partition
from journeys.streams.rule.policy import Policy


def index_files(file: HistoryFile, policy: Policy | None, index: JourneyIndex) -> None:
    """Read a history once and index it."""
    (part,) = index.parts
    good = _good(file, index)
    if file.has_punctuations():
        part.policy = policy
        partition = Partition(policy=policy)
        partition.time_source = "simulated"  # lines have no append time
        LogIndexer(partition, part).take(_entry(number, record) for number, record in good)
    else:
        part.is_punctuated = False
        part.grace_ms = 0
        part.policy = policy = remembering_most(policy)
        for effects in replay_unpunctuated(_noted(good, part), policy=policy):
            part.add_effects(effects)
    index.flush()


def _entry(number: int, record: InputRecord) -> Entry:
    return Entry(number, record.journey_id.encode() if isinstance(record, JourneyRecord) else None, None, record)


def _good(file: HistoryFile, index: JourneyIndex) -> Iterator[tuple[int, InputRecord]]:
    for line in file.records():
        if isinstance(line, BadLine):
            index.add_fault(f"{line.file or file.name}: line {line.number:,}", str(line.error))
        else:
            yield line


def _noted(numbered: Iterable[tuple[int, Any]], part: IndexedPartition) -> Iterator[tuple[int, Any]]:
    """The same records, which go into the index on their way; each that moves the clock counts as a punctuation."""
    for number, record in numbered:
        clock = part.clock
        part.add_tick(number, record.occurred_at if clock is None else max(clock, record.occurred_at))
        part.add_record(number, record)
        yield number, record
