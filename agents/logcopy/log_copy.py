"""Copies the input log into new topics, follows it while workers run, and ends when they are stopped.

It may be stopped or killed at any time and run again: what is copied is not copied twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from journeys.agents.inspect.stored_topics import stored_partition_count
from journeys.agents.kafka.group_members import members, require_no_members
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.kafka.record_producer import EncodedRecord, RecordProducer
from journeys.agents.kafka.schema_registry import own_catalog
from journeys.agents.kafka.topic_setup import create_topics, partition_count, present_identities
from journeys.agents.kafka.topic_time import topic_time
from journeys.agents.logcopy.copied_records import Copied
from journeys.agents.logcopy.copy_groups import CopyGroup, copy_groups
from journeys.agents.logcopy.group_copy import GroupCopy
from journeys.agents.logcopy.source_reader import SourceReader, open_source
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.compiled.engine_choice import Engine

_LOOK_EVERY_SECONDS: Final = 0.2
_MEMBERS_EVERY_SECONDS: Final = 2.0
_STOPPED_FOR_SECONDS: Final = 6.0
"""The workers count as stopped when their group has had no member for so long: a restart takes less."""
_HELD_SECONDS: Final = 2.0
"""So long a policy of one old partition waits for those of the others, once all of them are copied."""

Say = Callable[[str], None]
Progress = Callable[[int, int], None]


class CopyRefusedError(OperationError):
    """The new topics can't take the copy."""


@dataclass(slots=True)
class CopyReport:
    """What was copied, by this run and those before it."""

    groups: list[CopyGroup]
    is_placed: bool
    """Whether every journey lay in the partition of its key: not so after partitions were added to a log in use."""
    copied: int = 0
    """Records that this run has written."""
    dead: int = 0
    """Dead letters of the old log, which were left out."""
    old_ends: dict[int, int] = field(default_factory=dict)
    """By old partition, the offset behind the last record that is copied."""
    clocks: dict[int, int | None] = field(default_factory=dict)
    """By old partition, the greatest punctuation read."""
    new_ends: dict[int, int] = field(default_factory=dict)
    """By new partition, its end when the copy ended."""


async def copy_log(
    old: Settings,
    new: Settings,
    engine: Engine,
    say: Say,
    progress: Progress | None = None,
    *,
    keeps_count: bool = False,
) -> CopyReport:
    """Copy the input topic of `old` into that of `new`, whose missing topics are created.

    They get as many partitions as `new` says, or with `keeps_count` as the old ones have.

    `say` gets what a person should know, `progress` the offsets read and to be read. Raises CopyRefusedError,
    GroupActiveError, RecordsDeletedError, TopicReplacedError, TopicSetupError, RecordsNotSentError, and as `open_log`.
    """
    await _require_other(old, new)
    await require_no_members(new)
    count = await partition_count(old, JOURNEY_EVENTS, "Read")
    await create_topics(new.model_copy(update={"partitions": count}) if keeps_count else new)
    codecs = Codec(await own_catalog(old)), Codec(await own_catalog(new))
    copied = await _present(new, codecs[1], say)
    timed = set((await topic_time(old, codecs[0])).first)
    async with open_source(old, codecs[0].catalog) as reader, RecordProducer(new, codecs[1]) as producer:
        written_with = await stored_partition_count(old) or reader.partition_count
        is_placed = written_with == reader.partition_count
        if not is_placed:
            say(
                f"{reader.name} was written with {written_with} partitions and has {reader.partition_count}: every "
                "record goes by its key, in order of append times, and equality can't be proved"
            )
        groups = copy_groups(reader.partition_count, len(copied), is_placed=is_placed)
        report = CopyReport(groups, is_placed)
        copies = [
            GroupCopy(
                group,
                len(copied),
                # One partition in place of many: no record is dead for where it lies, as each goes where it belongs.
                {
                    number: engine.processor(number, reader.partition_count, codecs[0])
                    if is_placed
                    else engine.processor(0, 1, codecs[0])
                    for number in group.sources
                },
                copied,
                codecs,
            )
            for group in groups
        ]
        for copy in copies:
            copy.read_as_marked(reader.marks)
            copy.timeless = set(copy.group.sources) - timed
        await _Copying(old, reader, producer, copies, report, say, progress).run()
        report.dead = sum(sum(copy.dead.values()) for copy in copies)
        report.old_ends = dict(reader.positions)
        for copy in copies:
            report.clocks |= copy.clocks()
    async with open_log(new, JOURNEY_EVENTS, catalog=None) as log:
        report.new_ends = log.end_offsets
    return report


class _Copying:
    """The copy under way."""

    def __init__(
        self,
        old: Settings,
        reader: SourceReader,
        producer: RecordProducer,
        copies: list[GroupCopy],
        report: CopyReport,
        say: Say,
        progress: Progress | None,
    ) -> None:
        self._old = old
        self._reader = reader
        self._producer = producer
        self._copies = copies
        self._report = report
        self._say = say
        self._progress = progress
        self._held_since: float | None = None
        self._stopped_since: float | None = None
        self._members_at = 0.0
        self._has_said_level = False

    async def run(self) -> None:
        """Copy until the workers are stopped and everything is copied."""
        while True:
            await self._copy_to_ends()
            await self._producer.flush()
            if await self._reader.look():
                continue
            self._reader.rest()
            if await self._are_stopped(monotonic()):
                await self._emit_all(release=True)
                await self._producer.flush()
                return
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _copy_to_ends(self) -> None:
        """Copy all up to the present ends of the old log."""
        while True:
            held_since = self._held_since
            await self._emit_all(release=held_since is not None and monotonic() - held_since > _HELD_SECONDS)
            ended = self._reader.ended
            wanted = [number for copy in self._copies for number in copy.wanted(ended)]
            if not wanted:
                if not any(copy.is_holding for copy in self._copies):
                    self._held_since = None
                elif held_since is None:
                    self._held_since = monotonic()
                return
            for number, records in (await self._reader.read(wanted)).items():
                self._copy_of(number).push(number, records)
            if self._progress is not None:
                self._progress(sum(self._reader.positions.values()), sum(self._reader.ends.values()))

    async def _emit_all(self, *, release: bool) -> None:
        ended = self._reader.ended
        for copy in self._copies:
            for partition, key, value, headers in copy.advance(ended, release=release):
                await self._producer.append(EncodedRecord(partition, key, value), headers)
                self._report.copied += 1

    def _copy_of(self, number: int) -> GroupCopy:
        return next(copy for copy in self._copies if number in copy.group.sources)

    async def _are_stopped(self, now: float) -> bool:
        """Whether the workers of the old log have been stopped for long enough."""
        if now - self._members_at > _MEMBERS_EVERY_SECONDS:
            self._members_at = now
            running = await members(self._old)
            if running and not self._has_said_level:
                self._has_said_level = True
                self._say(
                    f"level with {self._reader.name}, and following it: for the switch stop its producers and its "
                    f"{len(running)} workers; this ends by itself when both are done"
                )
            self._stopped_since = None if running else self._stopped_since or now
        return self._stopped_since is not None and now - self._stopped_since >= _STOPPED_FOR_SECONDS


async def _require_other(old: Settings, new: Settings) -> None:
    """Raise CopyRefusedError if old and new topics are the same, or if a new one lacks what a copy needs."""
    old_name, new_name = old.topic(JOURNEY_EVENTS), new.topic(JOURNEY_EVENTS)
    there: Mapping[str, Any] = await present_identities(new)
    here = await present_identities(old)
    is_same = here[old_name] == there.get(new_name) if old_name in here else old == new
    if is_same:
        raise CopyRefusedError(
            f"{new_name} is the topic that would be copied: give the new topics a JOURNEYS_TOPIC_PREFIX of their own, "
            "or another cluster in JOURNEYS_BOOTSTRAP_SERVERS"
        )


async def _present(new: Settings, codec: Codec, say: Say) -> dict[int, Copied]:
    """What the new topic holds, by partition. Raises CopyRefusedError if there is anything but copies."""
    found: dict[int, Copied] = {}
    async with open_log(new, JOURNEY_EVENTS, catalog=codec.catalog) as log:
        log.require_complete()
        for number in range(log.partition_count):
            copied = found[number] = Copied()
            async for batch in log.read_partition(number):
                copied.take(batch.records, codec)
        name = log.name
    others = sum(copied.others for copied in found.values())
    if others:
        raise CopyRefusedError(
            f"{name} has {others:,} records that are no copies: producers or workers have begun there, and older "
            "records behind theirs would be late; take new topics, with another JOURNEYS_TOPIC_PREFIX"
        )
    repeated = sum(copied.repeated for copied in found.values())
    if repeated:
        raise CopyRefusedError(
            f"{name} has {repeated:,} records twice: two copies ran at once; take new topics, with another "
            "JOURNEYS_TOPIC_PREFIX"
        )
    before = sum(copied.records for copied in found.values())
    if before:
        say(f"{name} has {before:,} records of an earlier run: the copy goes on behind them")
    return found
