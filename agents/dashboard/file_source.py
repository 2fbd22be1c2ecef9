"""Makes the dashboard's index of history in files: the rule is applied once, as a replay does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from journeys.agents.dashboard.journey_index import JourneyIndex
from journeys.agents.dashboard.log_index import index_log
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
    good = _good(file, index)
    if file.has_punctuations():
        index.policy = policy
        partition = Partition(policy=policy)
        partition.time_source = "simulated"  # lines have no append time
        index_log((_entry(number, record) for number, record in good), partition, index)
    else:
        index.is_punctuated = False
        index.grace_ms = 0
        index.policy = policy = remembering_most(policy)
        for effects in replay_unpunctuated(_noted(good, index), policy=policy):
            index.add_effects(effects)
    index.complete()


def _entry(number: int, record: InputRecord) -> Entry:
    return Entry(number, record.journey_id.encode() if isinstance(record, JourneyRecord) else None, None, record)


def _good(file: HistoryFile, index: JourneyIndex) -> Iterator[tuple[int, InputRecord]]:
    for line in file.records():
        if isinstance(line, BadLine):
            index.add_fault(f"{line.file or file.name}: line {line.number:,}", str(line.error))
        else:
            yield line


def _noted(numbered: Iterable[tuple[int, Any]], index: JourneyIndex) -> Iterator[tuple[int, Any]]:
    """The same records, which go into the index on their way; each that moves the clock counts as a punctuation."""
    for number, record in numbered:
        clock = index.clock
        index.add_tick(number, record.occurred_at if clock is None else max(clock, record.occurred_at))
        index.add_record(number, record)
        yield number, record
