"""The systems under test: how each is started, given its input, timed and verified."""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks import naive_faust
from benchmarks.workload import expected_abandonments, write_plain, write_with_punctuations
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.verification import verify
from journeys.schemas.codec import Codec
from journeys.schemas.records import JourneyAbandoned, Touchpoint
from journeys.schemas.rows import PARTITION_KEY
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_EVENTS, changelog_name

_MS = 1_000
_RESTORED: Final = re.compile(r"^(\S+Z) .*\brestored: partitions ", re.MULTILINE)
# What every system must say of an abandonment as the pure core does; times of detection and provenance differ.
_COMPARED = (
    "journey_id",
    "abandonment_reason",
    "state",
    "started_at",
    "abandoned_at",
    "touchpoint_count",
    "total_cost_micros",
    "total_penalty_micros",
)


class Window(NamedTuple):
    """The span that is timed (epoch seconds), and the touchpoints that were processed in it."""

    begins_at: float
    ends_at: float
    touchpoints: int


@dataclass(frozen=True, slots=True)
class System:
    """One system. `write` fills fresh topics, `window` and `disagreement` look at them when all is processed.

    `window` is given the logs of the processes, too; `disagreement` says what is wrong with the outputs, or gives an
    empty text.
    """

    name: str
    application_id: str
    arguments: tuple[str, ...]
    write: Callable[[Settings, Sequence[Touchpoint]], Awaitable[None]]
    window: Callable[[Settings, Sequence[Path]], Awaitable[Window]]
    disagreement: Callable[[Settings, Sequence[Touchpoint]], Awaitable[str]]

    @property
    def command(self) -> list[str]:
        """Command line that starts it; where Kafka is stands in JOURNEYS_BOOTSTRAP_SERVERS."""
        return [sys.executable, *self.arguments]


async def _window_of_worker(settings: Settings, logs: Sequence[Path]) -> Window:
    """From when workers could begin to the last partition row, which says that all before it is published and stored.

    They could begin when the first of them had restored its partitions, after the last rebalance: what they gather
    before their first flush is in the window. What is stored by then, in front of a rebalance, is not.
    """
    begins_at = min(_restored_at(log.read_text("utf-8", errors="replace")) for log in logs)
    marks = [record for record in await _records(settings, _changelog(settings)) if record.key == PARTITION_KEY]
    codec = Codec()
    applied_before = {
        record.partition: codec.decode(record.value).applied_offset
        for record in marks
        if record.timestamp / _MS <= begins_at
    }
    ends_at = max(record.timestamp for record in marks) / _MS
    touchpoints = [record for record in await _records(settings, JOURNEY_EVENTS) if record.key is not None]
    within = sum(record.offset > applied_before.get(record.partition, -1) for record in touchpoints)
    return Window(begins_at, ends_at, within)


def _restored_at(log: str) -> float:
    """When a worker said for the last time that its partitions are restored (epoch seconds)."""
    return datetime.fromisoformat(_RESTORED.findall(log)[-1]).timestamp()


async def _window_of_naive_faust(settings: Settings, logs: Sequence[Path]) -> Window:
    """From the first row that a touchpoint wrote to the last; what the scan deletes behind it is not timed."""
    del logs
    rows = [record.timestamp for record in await _records(settings, _changelog(settings)) if record.value is not None]
    touchpoints = await _records(settings, JOURNEY_EVENTS)
    return Window(min(rows) / _MS, max(rows) / _MS, len(touchpoints) - 1)


async def _disagreement_of_worker(settings: Settings, touchpoints: Sequence[Touchpoint]) -> str:
    report = await verify(settings)
    counts = report.counts
    read = counts.applied + counts.late + counts.duplicate + counts.refused
    if report.ok and report.lag_total == 0 and read == len(touchpoints) and report.abandonments.equal:
        return ""
    return f"{read} of {len(touchpoints)} touchpoints, {report.lag_total} behind; {report.abandonments}"


async def _disagreement_of_naive_faust(settings: Settings, touchpoints: Sequence[Touchpoint]) -> str:
    expected = expected_abandonments(touchpoints, naive_faust.PARTITION_COUNT)
    codec = Codec()
    published = [codec.decode(record.value) for record in await _records(settings, JOURNEY_ABANDONMENTS)]
    said = {abandonment.abandonment_id: _compared(abandonment) for abandonment in published}
    if len(published) == len(said) and said == {key: _compared(value) for key, value in expected.items()}:
        return ""
    wrong = sum(_compared(value) != said.get(key) for key, value in expected.items())
    return f"{len(published)} abandonments, {len(expected)} expected, {wrong} of them missing or different"


def _compared(abandonment: JourneyAbandoned) -> tuple[Any, ...]:
    return tuple(getattr(abandonment, field) for field in _COMPARED)


def _changelog(settings: Settings) -> str:
    return changelog_name(settings.application_id)


async def _records(settings: Settings, topic: str) -> list[Any]:
    async with open_log(settings, topic, catalog=None) as log:
        return [
            record
            for number in range(log.partition_count)
            async for batch in log.read_partition(number)
            for record in batch.records
        ]


JOURNEYS = System(
    name="journeys",
    application_id="journeys",
    arguments=("-m", "journeys.cli", "worker"),
    write=write_with_punctuations,
    window=_window_of_worker,
    disagreement=_disagreement_of_worker,
)
NAIVE_FAUST = System(
    name="naive-faust",
    application_id=naive_faust.APPLICATION_ID,
    arguments=("-m", "benchmarks.naive_faust", "worker", "--loglevel", "warn", "--without-web"),
    write=write_plain,
    window=_window_of_naive_faust,
    disagreement=_disagreement_of_naive_faust,
)
