"""Imports history: writes recorded lines with punctuations of their own time, as fast as possible.

Within a partition a punctuation comes after every record that was read before it, and before every record that was
read after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from journeys.agents.history.line_files import BadLine
from journeys.agents.kafka.record_producer import RecordProducer
from journeys.agents.kafka.schema_registry import own_catalog
from journeys.agents.kafka.topic_time import topic_time
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.instants import DAY_MS, EARLIEST, HOUR_MS
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import ClockCorrected, InputRecord, Punctuation
from journeys.schemas.topics import JOURNEY_EVENTS

KEPT_BAD_LINES: Final = 1_000
_WRITTEN_BY: Final = "import"
# A day more than the cap of 90 days on a journey: then none is open.
_UNTIL_AFTER_GREATEST_MS: Final = 91 * DAY_MS
_PROGRESS_EVERY: Final = 1_000


class TopicIsLiveError(OperationError):
    """The topic has live time, and history can't be added to it."""


class TopicNotEmptyError(OperationError):
    """The topic holds records but no punctuation, so its time source is not known."""


@dataclass(slots=True)
class ImportReport:
    """Result of an import. Instants are epoch milliseconds."""

    records: int = 0
    """Records of journeys."""
    punctuations: int = 0
    """Punctuations of the history; each is written to every partition and counts once."""
    bad_line_count: int = 0
    bad_lines: list[BadLine] = field(default_factory=list)
    """The first KEPT_BAD_LINES bad lines."""
    first_at: int | None = None
    """Occurred_at of the first record."""
    greatest_at: int | None = None
    """Greatest occurred_at."""
    clock: int | None = None
    """Latest punctuation written."""
    ended_by_until: bool = False

    def add_bad_line(self, line: BadLine) -> None:
        """Count a line that is not a valid record."""
        self.bad_line_count += 1
        if len(self.bad_lines) < KEPT_BAD_LINES:
            self.bad_lines.append(line)


async def import_history(
    settings: Settings,
    lines: Iterable[tuple[int, InputRecord] | BadLine],
    *,
    holds_punctuations: bool = False,
    punctuate_every_ms: int = HOUR_MS,
    until: int | None = None,
    allow_unpunctuated: bool = False,
    progress: Callable[[ImportReport], None] | None = None,
) -> ImportReport:
    """Write `lines` (as LineFile.records gives them) to the input topic in their order, with simulated time.

    Records are validated here; those that are not valid count as bad lines.

    If the lines hold no punctuations, one is written to every partition before each record whose occurred_at exceeds
    the last punctuation by `punctuate_every_ms` or more, and one at the end, at `until` (ms; default: 91 days after the
    greatest occurred_at). With `holds_punctuations` only the lines' own are written, to every partition. The first
    record whose time is after `until` ends the import.

    Raises TopicIsLiveError; TopicNotEmptyError unless `allow_unpunctuated`; UnknownTopicError, RecordsNotSentError,
    KafkaUnreachableError, RegistryUnreachableError. `progress` is called with the same report, as it grows.
    """
    codec = Codec(await own_catalog(settings))
    begun = await _begun_partitions(settings, codec, allow_unpunctuated=allow_unpunctuated)
    async with RecordProducer(settings, codec) as producer:
        for partition in sorted(set(range(producer.partition_count)) - begun):
            # It sets the time source and moves no clock: no record is older.
            await producer.send_to_partition(Punctuation(EARLIEST, "simulated", _WRITTEN_BY), partition)
        await producer.flush()
        await _begun_partitions(
            settings, codec, allow_unpunctuated=True
        )  # a worker may have written live time meanwhile
        history = _History(producer, holds_punctuations, punctuate_every_ms, until)
        await history.write(lines, progress or _ignore)
    (progress or _ignore)(history.report)
    return history.report


async def _begun_partitions(settings: Settings, codec: Codec, *, allow_unpunctuated: bool) -> set[int]:
    """Partitions whose time source is simulated already. Raises TopicIsLiveError, TopicNotEmptyError."""
    time = await topic_time(settings, codec)
    for partition, punctuation in sorted(time.first.items()):
        if punctuation.time_source == "live":
            raise TopicIsLiveError(
                f"{JOURNEY_EVENTS}[{partition}] keeps live time (its first punctuation is of "
                f"{punctuation.written_by or 'an unnamed writer'}), so history can't be imported; "
                "write it with `journeys produce`, or import into another Kafka"
            )
    if time.unpunctuated and not allow_unpunctuated:
        raise TopicNotEmptyError(
            f"{JOURNEY_EVENTS}{time.unpunctuated} holds records but no punctuation yet, and an import would make "
            "their time simulated; import into another Kafka, or allow it explicitly"
        )
    return set(time.first)


class _History:
    """One running import."""

    def __init__(
        self, producer: RecordProducer, holds_punctuations: bool, punctuate_every_ms: int, until: int | None
    ) -> None:
        self.report = ImportReport()
        self._producer = producer
        self._makes_punctuations = not holds_punctuations
        self._every_ms = punctuate_every_ms
        self._until = until

    async def write(
        self, lines: Iterable[tuple[int, InputRecord] | BadLine], progress: Callable[[ImportReport], None]
    ) -> None:
        """Write lines in their order, then the last punctuation."""
        report = self.report
        for count, line in enumerate(lines):
            if count % _PROGRESS_EVERY == 0:
                progress(report)
            if isinstance(line, BadLine):
                report.add_bad_line(line)
            elif not await self._take(*line):
                report.ended_by_until = True
                break
        if self._makes_punctuations and report.greatest_at is not None:
            last = report.greatest_at + _UNTIL_AFTER_GREATEST_MS if self._until is None else self._until
            await self._punctuate(Punctuation(last, "simulated", _WRITTEN_BY))

    async def _take(self, number: int, record: InputRecord) -> bool:
        """Write one record, after a punctuation if one is due; False if its time is after `until`."""
        report = self.report
        if isinstance(record, Punctuation):
            if self._until is not None and record.at > self._until:
                return False
            try:
                await self._punctuate(record)
            except InvalidRecordError as error:
                report.add_bad_line(BadLine(number, error))
            return True
        if isinstance(record, ClockCorrected):
            if self._until is not None and record.at > self._until:
                return False
            await self._producer.send_to_all(record)
            report.clock = record.at
            return True
        try:
            # Before the punctuation in front of it: a bad line must not move the clock.
            encoded = self._producer.encode(record)  # type: ignore[arg-type]  # lines hold no PolicyChanged
        except InvalidRecordError as error:
            report.add_bad_line(BadLine(number, error))
            return True
        at = record.occurred_at
        if self._until is not None and at > self._until:
            return False
        greatest = at if report.greatest_at is None else max(report.greatest_at, at)
        if self._makes_punctuations and (report.clock is None or greatest - report.clock >= self._every_ms):
            await self._punctuate(Punctuation(greatest, "simulated", _WRITTEN_BY))
        await self._producer.append(encoded)
        report.records += 1
        report.greatest_at = greatest
        if report.first_at is None:
            report.first_at = at
        return True

    async def _punctuate(self, punctuation: Punctuation) -> None:
        await self._producer.send_to_all(punctuation)
        self.report.punctuations += 1
        clock = self.report.clock
        self.report.clock = punctuation.at if clock is None else max(clock, punctuation.at)


def _ignore(_: ImportReport) -> None:
    """Ignore progress."""
