"""Compares a copied log with the old one: per journey, both must give the same abandonments and open episodes.

Both logs are replayed up to where the copy ended, group by group, and then told the same time: the latest that an old
partition of the group has read. Where a record lay in its log does not count. Where several old partitions went into
one, `detected_at` does not count either: it is when the end was noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from journeys.agents.kafka.log_reader import open_log
from journeys.agents.logcopy.log_copy import CopyReport, Progress
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.records import JourneyAbandoned, Punctuation
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_EVENTS
from journeys.streams.compiled.engine_choice import Engine
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.log_entries import LOG_APPEND_TIME
from journeys.streams.partition.protocols import JourneyProcessor

SHOWN_DIFFERENCES: Final = 10
_OF_A_PLACE: Final = {"source_topic": None, "source_partition": None, "source_offset": None}
_NOT_COMPARED: Final = frozenset({"offset", "record_offset"})


@dataclass(slots=True)
class CopyComparison:
    """Counts of abandonments and of open journeys, by journey and episode."""

    equal: int = 0
    missing: int = 0
    extra: int = 0
    different: int = 0
    open_equal: int = 0
    open_different: int = 0
    differences: list[str] = field(default_factory=list)
    """The first ones, a sentence each."""

    @property
    def ok(self) -> bool:
        """Whether both logs give the same."""
        return not (self.missing or self.extra or self.different or self.open_different)


class _Told(NamedTuple):
    """A record that no log holds: the last punctuation of a comparison."""

    offset: int
    key: None
    value: bytes
    timestamp: int
    timestamp_type: int
    headers: tuple[()]


class _Results:
    """Abandonments and open episodes of one side of a group, each as a number that stands for all its fields."""

    def __init__(self, codec: Codec, *, with_detected_at: bool) -> None:
        self.abandonments: dict[str, tuple[str, int]] = {}
        self.open: dict[str, int] = {}
        self._codec = codec
        self._ignored: dict[str, Any] = _OF_A_PLACE if with_detected_at else _OF_A_PLACE | {"detected_at": 0}

    def take(self, effects: Effects) -> None:
        """Take the abandonments of a batch."""
        encoded = [value for _, value in effects.encoded.get(JOURNEY_ABANDONMENTS, ())]
        decoded: Sequence[JourneyAbandoned] = self._codec.decode_all("JourneyAbandoned", encoded)
        for record in (*effects.abandonments, *decoded):
            said = hash(record._replace(**self._ignored))
            self.abandonments[record.abandonment_id] = record.journey_id, said

    def take_open(self, processor: JourneyProcessor) -> None:
        """Take the open episodes of a partition at its end."""
        for journey_id, row in processor.partition.rows.items():
            if row.open:
                stored = {name: value for name, value in row.stored().items() if name not in _NOT_COMPARED}
                self.open[journey_id] = hash(repr(stored))


async def compare_copy(
    old: Settings, new: Settings, engine: Engine, report: CopyReport, progress: Progress | None = None
) -> CopyComparison:
    """Compare the logs up to where the copy ended; holds one group's rows, of one side, in memory.

    `progress` gets the records read and to be read. Raises as `open_log`.
    """
    result = CopyComparison()
    codecs = Codec(), Codec()
    read, total = 0, sum(report.old_ends.values()) + sum(report.new_ends.values())

    def note(count: int) -> None:
        nonlocal read
        read += count
        if progress is not None:
            progress(read, total)

    async with (
        open_log(old, JOURNEY_EVENTS, catalog=codecs[0].catalog) as old_log,
        open_log(new, JOURNEY_EVENTS, catalog=codecs[1].catalog) as new_log,
    ):
        for group in report.groups:
            sides = [_Results(codec, with_detected_at=group.is_exact) for codec in codecs]
            # Where one became one or many, each has its time; else the new ones have not read the latest yet.
            clocks = [clock for number in group.sources if (clock := report.clocks.get(number)) is not None]
            clock = None if group.is_exact else max(clocks, default=None)
            for log, numbers, ends, codec, results in (
                (old_log, group.sources, report.old_ends, codecs[0], sides[0]),
                (new_log, group.targets, report.new_ends, codecs[1], sides[1]),
            ):
                for number in numbers:
                    processor = engine.processor(number, log.partition_count, codec)
                    marks = processor.partition.marks = await log.marks(number)
                    async for batch in log.read_partition(number, end=ends[number], marks=marks):
                        results.take(processor.process_log(batch.records, codec))
                        note(len(batch.records))
                    if clock is not None:
                        results.take(processor.process_log([_told(clock, ends[number], codec, processor)], codec))
                    results.take_open(processor)
            _compare(sides[0], sides[1], result)
    return result


def _told(clock: int, offset: int, codec: Codec, processor: JourneyProcessor) -> _Told:
    punctuation = Punctuation(clock, processor.partition.time_source or "live", "comparison")
    return _Told(offset, None, codec.encode(punctuation), clock, LOG_APPEND_TIME, ())


def _compare(old: _Results, new: _Results, result: CopyComparison) -> None:
    def note(lines: Iterable[str]) -> None:
        for line in lines:
            if len(result.differences) >= SHOWN_DIFFERENCES:
                return
            result.differences.append(line)

    for id_, (journey_id, said) in old.abandonments.items():
        found = new.abandonments.pop(id_, None)
        if found is None:
            result.missing += 1
            note([f"journey {journey_id}: the abandonment {id_} is missing in the new log"])
        elif found[1] != said:
            result.different += 1
            note([f"journey {journey_id}: the abandonment {id_} is another one in the new log"])
        else:
            result.equal += 1
    result.extra += len(new.abandonments)
    note(f"journey {one[0]}: the old log has no abandonment {id_}" for id_, one in new.abandonments.items())
    differing = [
        journey_id
        for journey_id in old.open.keys() | new.open.keys()
        if old.open.get(journey_id) != new.open.get(journey_id)
    ]
    result.open_different += len(differing)
    result.open_equal += len(old.open.keys() | new.open.keys()) - len(differing)
    note(f"journey {journey_id}: its open episode differs" for journey_id in sorted(differing))
