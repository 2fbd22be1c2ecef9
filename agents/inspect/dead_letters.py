"""Reads the dead-letter topic: the letters, the records that they are about, and which were retried."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

from journeys.agents.kafka.log_reader import open_log
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import DeadLetter
from journeys.schemas.topics import DEAD_LETTERS, JOURNEY_EVENTS

# Headers of a retry: the original record, and its dead letter.
RETRY_OF: Final = "journeys-retry-of"
RETRIED_LETTER: Final = "journeys-dead-letter"
# Append times of two partitions may be of two brokers, whose clocks differ.
_CLOCKS_DIFFER_MS: Final = 3_600_000


class Place(NamedTuple):
    """Position of a record; as text topic:partition:offset."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse topic:partition:offset. Raises ValueError."""
        topic, partition, offset = text.rsplit(":", 2)
        if not (topic and partition.isascii() and partition.isdigit() and offset.isascii() and offset.isdigit()):
            raise ValueError(text)
        return cls(topic, int(partition), int(offset))


@dataclass(frozen=True, slots=True)
class FoundLetter:
    """A dead letter, the position of its record (`origin`) and its own (`at`). Times are in epoch ms."""

    letter: DeadLetter
    origin: Place
    at: Place
    published_at: int

    @property
    def since(self) -> int:
        """When the record was appended; if the broker did not report that, when its letter was published."""
        return self.published_at if self.letter.append_time is None else self.letter.append_time

    def bare(self) -> FoundLetter:
        """A copy without the record's key and value and the reason, so that many fit into memory."""
        letter = self.letter._replace(record_key=None, record_value=None, reason="")
        return FoundLetter(letter, self.origin, self.at, self.published_at)


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Conditions on letters; one that is None or empty matches all."""

    reason: str = ""
    """Text that the reason contains, ignoring case."""
    partition: int | None = None
    since: int | None = None
    place: Place | None = None
    """Position of the record of a single letter."""

    def matches(self, entry: FoundLetter) -> bool:
        """Whether a letter fulfils all conditions."""
        return (
            (self.place is None or entry.origin == self.place)
            and (self.partition is None or entry.origin.partition == self.partition)
            and (self.since is None or entry.since >= self.since)
            and self.reason.casefold() in entry.letter.reason.casefold()
        )


class UnknownLetterError(OperationError):
    """There is no dead letter about the record."""


async def dead_letters(settings: Settings, wanted: LetterFilter) -> AsyncGenerator[FoundLetter, None]:
    """Yield the letters that match, each once, partition by partition, oldest first.

    Raises UnknownTopicError, ReaderStalledError, KafkaUnreachableError, RegistryUnreachableError.
    """
    codec = Codec()
    async with open_log(settings, DEAD_LETTERS, catalog=codec.catalog) as log:
        number = wanted.partition if wanted.place is None else wanted.place.partition
        # A worker writes a letter to the partition with the number of its record's partition.
        partitions = range(log.partition_count) if number is None else [number] if number in log.end_offsets else []
        for partition in partitions:
            known: set[Place] = set()
            async for batch in log.read_partition(partition):
                for record in batch.records:
                    entry = _letter_of(codec, partition, record)
                    if entry is not None and entry.origin not in known and wanted.matches(entry):
                        known.add(entry.origin)  # after a crash a worker publishes its last batch again
                        yield entry


async def one_letter(settings: Settings, place: Place) -> FoundLetter:
    """Letter of a record. Raises UnknownLetterError, and as `dead_letters`."""
    async for entry in dead_letters(settings, LetterFilter(place=place)):
        return entry
    raise UnknownLetterError(f"{place}: no dead letter is about this record; see journeys dead-letters list")


async def retries(settings: Settings, letters: Iterable[FoundLetter]) -> dict[Place, list[Place]]:
    """Positions of the retries of these letters, oldest first, by origin.

    They are read from record headers of the input topic, from the time of the oldest letter on, which takes about 3 us
    for each record. Raises as `dead_letters`.
    """
    wanted: set[bytes] = set()
    oldest: int | None = None
    unknown_since = False
    for one in letters:
        wanted.add(str(one.origin).encode())
        unknown_since = unknown_since or one.letter.append_time is None
        oldest = one.since if oldest is None else min(oldest, one.since)
    again: dict[Place, list[Place]] = {}
    if oldest is None:
        return again
    async with open_log(settings, JOURNEY_EVENTS, catalog=None) as log:
        # Without append times the topic's timestamps are those of producers, and can't be searched by.
        starts = log.start_offsets if unknown_since else await log.offsets_at_time(max(0, oldest - _CLOCKS_DIFFER_MS))
        for partition, start in starts.items():
            async for batch in log.read_partition(partition, start=start):
                for record in batch.records:
                    origin = _header(record.headers, RETRY_OF) if record.headers else None
                    if origin in wanted:
                        assert origin is not None
                        place = Place(JOURNEY_EVENTS, partition, record.offset)
                        again.setdefault(Place.parse(origin.decode()), []).append(place)
    return again


def retry_headers(entry: FoundLetter) -> list[tuple[str, bytes]]:
    """Headers that mark a retry and name its origin."""
    return [(RETRY_OF, str(entry.origin).encode()), (RETRIED_LETTER, str(entry.at).encode())]


def _header(headers: Sequence[tuple[str, bytes]], name: str) -> bytes | None:
    return next((value for key, value in headers if key == name), None)


def _letter_of(codec: Codec, partition: int, record: Any) -> FoundLetter | None:
    """Letter in a record of the topic; None for anything else (`journeys verify` reports those)."""
    if record.value is None:
        return None
    try:
        letter = codec.decode(record.value)
    except InvalidRecordError:
        return None
    if not isinstance(letter, DeadLetter):
        return None
    origin = Place(letter.topic, letter.partition, letter.offset)
    return FoundLetter(letter, origin, Place(DEAD_LETTERS, partition, record.offset), record.timestamp)
