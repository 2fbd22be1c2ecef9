"""The work of a benchmark: made-up touchpoints, and what must come of them.

Every touchpoint comes once and in order of time, because that is what all systems under test have a rule
for; the rule itself is timeout, inactivity and conversion, and the return after an abandonment.

A system that is a hundred times slower gets a sample: all touchpoints of each tenth journey, over the whole
span. So the work of an event is the same on average; the first touchpoints alone would hold few ends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from journeys.agents.demo.load_generator import Shares, generate
from journeys.agents.history.importer import import_history
from journeys.agents.kafka.record_producer import RecordProducer
from journeys.agents.kafka.topic_setup import create_topics
from journeys.agents.settings.settings import Settings
from journeys.schemas.lines import parse_line
from journeys.schemas.partitioner import partition_of
from journeys.schemas.records import JourneyAbandoned, Touchpoint
from journeys.streams.partition.driver import replay_unpunctuated

_SEED = 3
_SPAN_DAYS = 30
_TOUCHPOINTS_PER_JOURNEY = 10
_SAMPLED_JOURNEYS = 10
_ONCE_AND_IN_ORDER = Shares(duplicates=0, late=0, out_of_order=0)


@dataclass(frozen=True, slots=True)
class Workload:
    """Touchpoints of `journeys` journeys in order of time, and a sample of them for slow systems."""

    journeys: int
    touchpoints: list[Touchpoint]
    sample: list[Touchpoint]

    def described(self) -> dict[str, Any]:
        """Facts for the file of results."""
        return {
            "generator": "agents/demo/load_generator.py, every touchpoint once and in order of time",
            "seed": _SEED,
            "span_days": _SPAN_DAYS,
            "journeys": self.journeys,
            "touchpoints": len(self.touchpoints),
            "sample": f"the touchpoints of each {_SAMPLED_JOURNEYS}th journey: {len(self.sample)}",
        }


def make_workload(journeys: int) -> Workload:
    """Make 10 touchpoints for each journey on average, and that many exactly in all."""
    lines = generate(
        journeys,
        _SEED,
        span_days=_SPAN_DAYS,
        touchpoints_per_journey=_TOUCHPOINTS_PER_JOURNEY,
        shares=_ONCE_AND_IN_ORDER,
    )
    touchpoints = [_touchpoint(line) for line in lines]
    sampled = set(sorted({touchpoint.journey_id for touchpoint in touchpoints})[::_SAMPLED_JOURNEYS])
    return Workload(journeys, touchpoints, [one for one in touchpoints if one.journey_id in sampled])


def _touchpoint(line: dict[str, Any]) -> Touchpoint:
    record = parse_line(line)
    assert isinstance(record, Touchpoint)
    return record


async def write_with_punctuations(settings: Settings, touchpoints: Sequence[Touchpoint]) -> None:
    """Import into fresh topics, with a punctuation for each hour and one at the last touchpoint's time."""
    await create_topics(settings)
    report = await import_history(settings, enumerate(touchpoints, start=1))
    assert report.records == len(touchpoints), f"{report.records} of {len(touchpoints)} touchpoints were written"


async def write_plain(settings: Settings, touchpoints: Sequence[Touchpoint]) -> None:
    """Write into fresh topics for a system that takes its time from the touchpoints."""
    await create_topics(settings)
    async with RecordProducer(settings) as producer:
        for touchpoint in touchpoints:
            await producer.send(touchpoint)


def expected_abandonments(touchpoints: Sequence[Touchpoint], partition_count: int) -> dict[str, JourneyAbandoned]:
    """Abandonments by id that the pure core gives where each partition's time is that of its last touchpoint."""
    by_partition: defaultdict[int, list[tuple[int, Touchpoint]]] = defaultdict(list)
    for number, touchpoint in enumerate(touchpoints):
        by_partition[partition_of(touchpoint.journey_id.encode(), partition_count)].append((number, touchpoint))
    return {
        abandonment.abandonment_id: abandonment
        for numbered in by_partition.values()
        for effects in replay_unpunctuated(numbered, until=numbered[-1][1].occurred_at)
        for abandonment in effects.abandonments
    }
