"""Random input logs of several partitions, and their copies, as lists of records: no Kafka."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from journeys.agents.logcopy.copied_records import Copied
from journeys.agents.logcopy.copy_groups import copy_groups
from journeys.agents.logcopy.group_copy import GroupCopy
from journeys.schemas.codec import Codec
from journeys.schemas.marks import Marks, marks_among
from journeys.schemas.partitioner import partition_of
from journeys.schemas.records import (
    InputRecord,
    JourneyAbandoned,
    JourneyCommand,
    JourneyRegistered,
    JourneySignal,
    PolicyChanged,
    Punctuation,
    Touchpoint,
)
from journeys.streams.compiled.engine_choice import REFERENCE, Engine
from journeys.streams.partition.log_entries import LOG_APPEND_TIME
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from journeys.streams.rule.policy import Policy, policy_from_toml

CODEC = Codec()
BEGIN = 1_760_000_000_000
COPIED_AT = BEGIN + 1_000 * 24 * 3_600_000
HOUR = 3_600_000
DAY = 24 * HOUR


class LogRecord(NamedTuple):
    """A record of a topic, as aiokafka gives it."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    timestamp_type: int = LOG_APPEND_TIME
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class Log:
    """Records by partition."""

    count: int
    partitions: list[list[LogRecord]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.partitions = self.partitions or [[] for _ in range(self.count)]

    def add(self, number: int, key: bytes | None, value: bytes | None, at: int, headers: Any = ()) -> None:
        """Append a record."""
        records = self.partitions[number]
        records.append(LogRecord(len(records), key, value, at, headers=tuple(headers)))

    def say(self, record: InputRecord, at: int, *numbers: int) -> None:
        """Append a record to the partition of its journey, or to those given."""
        value = CODEC.encode(record)
        if numbers:
            for number in numbers:
                self.add(number, None, value, at)
        else:
            key = record.journey_id.encode()  # type: ignore[union-attr]
            self.add(partition_of(key, self.count), key, value, at)


def policies() -> list[Policy]:
    """Three policies that decide differently."""
    return [
        policy_from_toml(f'version = "p-{hours}"\n[deadlines]\ninactivity_hours = {hours}\ntimeout_days = {days}\n')
        for hours, days in ((6, 3), (30, 5), (72, 14))
    ]


def on_time_log(count: int, seed: int, *, events: int = 200) -> Log:
    """Log of about 40 journeys in which no record is behind its partition's clock by grace."""
    chance, log, now = random.Random(seed), Log(count), BEGIN
    journeys = [f"journey-{chance.randrange(10_000)}" for _ in range(40)]
    everywhere = range(count)
    for number in range(events):
        now += chance.choice((1_000, 60_000, HOUR, 9 * HOUR))
        journey = chance.choice(journeys)
        at = now - chance.randrange(30_000)
        what = chance.random()
        if what < 0.66:
            state = chance.choice((None, "AWARE", "INTENT", "CONVERTED"))
            touch = Touchpoint(journey, "u", f"t-{number}", at, state=state, cost_micros=chance.randrange(9_000_000))
            log.say(touch, now)
        elif what < 0.72:
            log.say(JourneyRegistered(journey, "u", at, chance.choice((None, DAY)), None, None), now)
        elif what < 0.76:
            log.say(JourneySignal(journey, at, "fatigue", f"c-{number}"), now)
        elif what < 0.80:
            log.say(JourneyCommand(journey, at, "extend", None, DAY, f"c-{number}"), now)
        elif what < 0.84:
            bad = chance.randrange(count), journey.encode(), chance.choice((b"nothing", b"\x00\x00\x00\x00\x07x", None))
            log.add(*bad, now)
        elif what < 0.86:
            policy = chance.choice(policies())
            log.say(PolicyChanged(policy.version, policy.to_json(), now), now, *everywhere)
        else:
            for one in everywhere:
                if chance.random() < 0.7:
                    log.say(Punctuation(now, "live", "worker"), now, one)
    return log


def abandonments(log: Log, last: int) -> dict[str, JourneyAbandoned]:
    """What a replay abandons, by id, once all partitions have been told an instant; without places in the log."""
    found: dict[str, JourneyAbandoned] = {}
    for number, records in enumerate(log.partitions):
        processor = Processor(Partition(number, log.count))
        processor.partition.marks = marks_of(records)
        told = LogRecord(len(records), None, CODEC.encode(Punctuation(last, "live", "end")), last)
        for record in processor.process_log([*records, told], CODEC).abandonments:
            place = {"source_topic": None, "source_partition": None, "source_offset": None}
            found[record.abandonment_id] = record._replace(**place)  # type: ignore[arg-type]
    return found


def copied(
    log: Log,
    count: int,
    *,
    present: Log | None = None,
    placed: bool = True,
    chance: random.Random | None = None,
    engine: Engine = REFERENCE,
) -> Log:
    """Copy of a log into `count` partitions, put behind what is `present` of it; read in pieces of any size."""
    new = present or Log(count)
    progress: dict[int, Copied] = {}
    for number, records in enumerate(new.partitions):
        progress[number] = Copied()
        progress[number].take(records, CODEC)
    chance = chance or random.Random(0)
    for group in copy_groups(log.count, count, is_placed=placed):
        processors = {
            number: engine.processor(number, log.count, CODEC) if placed else engine.processor(0, 1, CODEC)
            for number in group.sources
        }
        copy = GroupCopy(group, count, processors, progress, (CODEC, CODEC))
        copy.read_as_marked({number: marks_of(log.partitions[number]) for number in group.sources})
        copy.timeless = {number for number in group.sources if not _has_time(log.partitions[number])}
        left = {number: list(log.partitions[number]) for number in group.sources}
        while True:
            ended = {number for number, records in left.items() if not records}
            for one in copy.advance(ended, release=len(ended) == len(left)):
                new.add(one.partition, one.key, one.value, COPIED_AT, one.headers)
            wanted = copy.wanted(ended)
            if not wanted:
                break
            for number in wanted:
                size = chance.randrange(1, 20)
                copy.push(number, left[number][:size])
                del left[number][:size]
    return new


def marks_of(records: Sequence[LogRecord]) -> Marks:
    """Marks of a partition, found by their headers."""
    return Marks(marks_among(records))


def _has_time(records: Sequence[LogRecord]) -> bool:
    head = CODEC.encode(Punctuation(1, "live"))[:5]
    return any((record.value or b"").startswith(head) for record in records)


def cut(log: Log, chance: random.Random) -> Log:
    """What a copy leaves behind that is killed: of each partition a beginning, of any length."""
    return Log(log.count, [records[: chance.randrange(len(records) + 1)] for records in log.partitions])
