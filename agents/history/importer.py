"""Imports history: writes recorded lines with punctuations of their own time, as fast as possible.

Within a partition a punctuation comes after every record that was read before it, and before every record that was
read after it. None lies beyond the last record: what is undecided by then stays open, for the next part of the history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias
from uuid import uuid4

from journeys.agents.history.import_writer import ImportWriter
from journeys.agents.history.line_files import BadLine
from journeys.agents.history.repeats import Repeats
from journeys.agents.kafka.record_producer import EncodedRecord, RecordProducer
from journeys.agents.kafka.schema_registry import own_catalog
from journeys.agents.kafka.topic_time import TopicTime, topic_time
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.instants import DAY_MS, EARLIEST, HOUR_MS, format_instant
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import ClockCorrected, InputRecord, JourneyRecord, Punctuation
from journeys.schemas.topics import JOURNEY_EVENTS

KEPT_BAD_LINES: Final = 1_000
_WRITTEN_BY: Final = "import"
_PROGRESS_EVERY: Final = 1_000
Behind: TypeAlias = Literal["refuse", "skip", "take"]
"""What becomes of a record that lies behind the clock that the topic had before the import."""


class TopicIsLiveError(OperationError):
    """The topic has live time, and history can't be added to it."""


class TopicNotEmptyError(OperationError):
    """The topic holds records but no punctuation, so its time source is not known."""


class BehindClockError(OperationError):
    """A record lies behind the clock of the topic: it would be late."""


@dataclass(slots=True)
class ImportReport:
    """Result of an import. Instants are epoch milliseconds."""

    records: int = 0
    """Records of journeys, those that were there included."""
    there_before: int = 0
    """Records of journeys that the same import, broken off, had written already."""
    behind_count: int = 0
    """Records that lay behind the topic's clock and were left out."""
    repeat_count: int = 0
    """Records that the history says twice, the second ones, which were left out."""
    punctuations: int = 0
    """Punctuations of the history; each is written to every partition and counts once."""
    bad_line_count: int = 0
    bad_lines: list[BadLine] = field(default_factory=list)
    """The first KEPT_BAD_LINES bad lines."""
    too_far_count: int = 0
    """Bad lines that would have moved the clock too far."""
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


class ImportOptions(NamedTuple):
    """How lines become a log. Durations and instants in milliseconds."""

    holds_punctuations: bool = False
    """The lines' own are written, to every partition, and no others."""
    punctuate_every_ms: int = HOUR_MS
    until: int | None = None
    """The first record behind it ends the import, and the last punctuation is there; default: the last record."""
    behind: Behind = "refuse"
    leaves_out_repeats: bool = False
    """Of touchpoints that come again within a million, by journey and id, the first is written."""
    largest_step_ms: int = 31 * DAY_MS
    """A record that would move the clock further is a bad line."""


_DEFAULT: Final = ImportOptions()


async def import_history(
    settings: Settings,
    lines: Iterable[tuple[int, InputRecord] | BadLine],
    options: ImportOptions = _DEFAULT,
    *,
    import_id: str | None = None,
    allow_unpunctuated: bool = False,
    progress: Callable[[ImportReport], None] | None = None,
) -> ImportReport:
    """Write `lines` (as LineFile.records gives them) to the input topic in their order, with simulated time.

    Records are validated here; those that are not valid count as bad lines. Said again with the same lines and the same
    `import_id` (import_id_of), an import that was broken off goes on in each partition where it ended there.

    If the lines hold no punctuations, one is written to every partition before each record whose occurred_at exceeds
    the last punctuation by `punctuate_every_ms` or more, and one at the end.

    Raises TopicIsLiveError; TopicNotEmptyError unless `allow_unpunctuated`; BehindClockError unless the options say
    otherwise; UnknownTopicError, RecordsNotSentError, KafkaUnreachableError, RegistryUnreachableError. `progress` is
    called with the same report, as it grows.
    """
    codec = Codec(await own_catalog(settings))
    time = await _simulated_time(settings, codec, allow_unpunctuated=allow_unpunctuated)
    async with RecordProducer(settings, codec) as producer:
        writer = ImportWriter(producer, time, import_id or uuid4().hex)
        for partition in sorted(set(range(producer.partition_count)) - time.first.keys()):
            # It sets the time source and moves no clock: no record is older.
            await producer.send_to_partition(Punctuation(EARLIEST, "simulated", _WRITTEN_BY), partition)
        await producer.flush()
        # A worker may have written live time meanwhile.
        await _simulated_time(settings, codec, allow_unpunctuated=True)
        history = _History(producer, writer, options)
        await history.write(lines, progress or _ignore)
    (progress or _ignore)(history.report)
    return history.report


async def _simulated_time(settings: Settings, codec: Codec, *, allow_unpunctuated: bool) -> TopicTime:
    """Time of a topic that may be imported into. Raises TopicIsLiveError, TopicNotEmptyError."""
    time = await topic_time(settings, codec)
    for partition, punctuation in sorted(time.first.items()):
        if time.source_of(partition) == "live":
            why = (
                "it was made live"
                if punctuation.time_source == "simulated"
                else f"its first punctuation is of {punctuation.written_by or 'an unnamed writer'}"
            )
            raise TopicIsLiveError(
                f"{JOURNEY_EVENTS}[{partition}] keeps live time ({why}), so history can't be imported; "
                "write it with `journeys produce`, or import into another Kafka"
            )
    if time.unpunctuated and not allow_unpunctuated:
        raise TopicNotEmptyError(
            f"{JOURNEY_EVENTS}{time.unpunctuated} holds records but no punctuation yet, and an import would make "
            "their time simulated; import into another Kafka, or allow it explicitly"
        )
    return time


class _History:
    """One running import."""

    def __init__(self, producer: RecordProducer, writer: ImportWriter, options: ImportOptions) -> None:
        self.report = ImportReport()
        self._producer = producer
        self._writer = writer
        self._options = options
        self._until = options.until
        self._makes_punctuations = not options.holds_punctuations
        self._place = 0
        self._repeats = Repeats()

    async def write(
        self, lines: Iterable[tuple[int, InputRecord] | BadLine], progress: Callable[[ImportReport], None]
    ) -> None:
        """Write lines in their order, then the last punctuation."""
        report = self.report
        line = 0
        for count, one in enumerate(lines):
            self._place = 2 * count + 2
            if count % _PROGRESS_EVERY == 0:
                progress(report)
            if isinstance(one, BadLine):
                report.add_bad_line(one)
                continue
            line, record = one
            if not await self._take(line, record):
                report.ended_by_until = True
                break
        if self._makes_punctuations and report.greatest_at is not None:
            last = report.greatest_at if self._until is None else self._until
            if report.clock is None or last > report.clock:
                self._place += 2
                await self._punctuate(Punctuation(last, "simulated", _WRITTEN_BY), line + 1)

    async def _take(self, line: int, record: InputRecord) -> bool:
        """Write one record, after a punctuation if one is due; False if its time is after `until`."""
        try:
            if isinstance(record, Punctuation | ClockCorrected):
                return await self._take_time(line, record)
            assert isinstance(record, JourneyRecord)  # lines hold nothing else
            # Before the punctuation in front of it: a bad line must not move the clock.
            encoded = self._producer.encode(record)
            if self._until is not None and record.occurred_at > self._until:
                return False
            if self._is_behind(line, record.occurred_at, encoded.partition):
                return True
            if self._options.leaves_out_repeats and not self._repeats.takes(record):
                self.report.repeat_count += 1
                return True
            await self._take_record(line, record.occurred_at, encoded)
        except InvalidRecordError as error:
            self.report.add_bad_line(BadLine(line, error))
        return True

    async def _take_time(self, line: int, record: Punctuation | ClockCorrected) -> bool:
        if self._until is not None and record.at > self._until:
            return False
        if isinstance(record, Punctuation):
            await self._punctuate(record, line)
        else:
            await self._writer.append_to_all(record, line, self._place)
            self.report.clock = record.at
        return True

    async def _take_record(self, line: int, at: int, encoded: EncodedRecord) -> None:
        report = self.report
        greatest = at if report.greatest_at is None else max(report.greatest_at, at)
        if self._makes_punctuations:
            self._require_no_leap(greatest)
            if report.clock is None or greatest - report.clock >= self._options.punctuate_every_ms:
                await self._punctuate(Punctuation(greatest, "simulated", _WRITTEN_BY), line)
        report.there_before += not await self._writer.append(encoded, line, self._place)
        report.records += 1
        report.greatest_at = greatest
        if report.first_at is None:
            report.first_at = at

    def _is_behind(self, line: int, at: int, partition: int) -> bool:
        """Whether a record is left out since it lies behind the clock that was there. Raises BehindClockError."""
        clock = self._writer.clock_of(partition)
        if clock is None or at >= clock or self._options.behind == "take":
            return False
        if self._options.behind == "skip":
            self.report.behind_count += 1
            return True
        raise BehindClockError(
            f"line {line}: {format_instant(at)} lies behind the clock of {JOURNEY_EVENTS}, {format_instant(clock)}: it "
            "would be late. Import the parts of a history in the order of time, into new topics; or leave such records "
            "out with --behind skip, or write them as they are with --behind take"
        )

    def _require_no_leap(self, greatest: int) -> None:
        """Raise InvalidRecordError for a record that would move the clock too far."""
        known = [clock for clock in (self.report.greatest_at, self._writer.clock) if clock is not None]
        if known and greatest - max(known) > self._options.largest_step_ms:
            self.report.too_far_count += 1
            latest = format_instant(max(known) + self._options.largest_step_ms)
            raise InvalidRecordError(
                "occurred_at",
                format_instant(greatest),
                f"at most {latest}: one record moves the clock by {self._options.largest_step_ms / DAY_MS:g} days at "
                "most, or --largest-step says by how much",
            )

    async def _punctuate(self, punctuation: Punctuation, line: int) -> None:
        await self._writer.append_to_all(punctuation, line, self._place - 1)
        self.report.punctuations += 1
        clock = self.report.clock
        self.report.clock = punctuation.at if clock is None else max(clock, punctuation.at)


def _ignore(_: ImportReport) -> None:
    """Ignore progress."""
