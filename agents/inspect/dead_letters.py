"""The dead-letter topic as people see it: which letters there are, where each came from, and what was retried."""

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

# Headers of a record that is a retry: the record that it stands for, and the dead letter of that one.
RETRY_OF: Final = "journeys-retry-of"
RETRIED_LETTER: Final = "journeys-dead-letter"
# Append times of two partitions are of two brokers, whose clocks differ.
_CLOCKS_DIFFER_MS: Final = 3_600_000


class Place(NamedTuple):
    """Where a record is; in words topic:partition:offset."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Place of its words. Raises ValueError."""
        topic, partition, offset = text.rsplit(":", 2)
        if not (topic and partition.isascii() and partition.isdigit() and offset.isascii() and offset.isdigit()):
            raise ValueError(text)
        return cls(topic, int(partition), int(offset))


@dataclass(frozen=True, slots=True)
class FoundLetter:
    """A dead letter, the record that it is about (`origin`) and where the letter itself is. Times in epoch ms."""

    letter: DeadLetter
    origin: Place
    at: Place
    published_at: int

    @property
    def since(self) -> int:
        """When the record was appended, or if the broker did not say, when its letter was published."""
        return self.published_at if self.letter.append_time is None else self.letter.append_time

    def bare(self) -> FoundLetter:
        """The same without what its record and its reason say: many of these fit into memory."""
        letter = self.letter._replace(record_key=None, record_value=None, reason="")
        return FoundLetter(letter, self.origin, self.at, self.published_at)


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters are meant; what is None or empty asks for nothing."""

    reason: str = ""
    """Text within the reason, in whatever case."""
    partition: int | None = None
    since: int | None = None
    place: Place | None = None
    """One letter, by the place of its record."""

    def matches(self, found: FoundLetter) -> bool:
        """Whether the letter is meant."""
        return (
            (self.place is None or found.origin == self.place)
            and (self.partition is None or found.origin.partition == self.partition)
            and (self.since is None or found.since >= self.since)
            and self.reason.casefold() in found.letter.reason.casefold()
        )


class UnknownLetterError(OperationError):
    """There is no such dead letter."""


async def dead_letters(settings: Settings, wanted: LetterFilter) -> AsyncGenerator[FoundLetter, None]:
    """Yield the letters that are meant, each once, partition after partition, oldest first.

    Raises UnknownTopicError, ReaderStalledError, KafkaUnreachableError, RegistryUnreachableError.
    """
    codec = Codec()
    async with open_log(settings, DEAD_LETTERS, catalog=codec.catalog) as log:
        number = wanted.partition if wanted.place is None else wanted.place.partition
        # A worker writes a letter to the partition of the same number as its record's.
        partitions = range(log.partition_count) if number is None else [number] if number in log.end_offsets else []
        for partition in partitions:
            known: set[Place] = set()
            async for batch in log.read_partition(partition):
                for record in batch.records:
                    found = _found(codec, partition, record)
                    if found is not None and found.origin not in known and wanted.matches(found):
                        known.add(found.origin)  # a worker that was killed publishes its last batch again
                        yield found


async def one_letter(settings: Settings, place: Place) -> FoundLetter:
    """Letter of a record. Raises UnknownLetterError, and as `dead_letters`."""
    async for found in dead_letters(settings, LetterFilter(place=place)):
        return found
    raise UnknownLetterError(f"{place}: no dead letter is about this record; see journeys dead-letters list")


async def retries(settings: Settings, found: Iterable[FoundLetter]) -> dict[Place, list[Place]]:
    """Where the records of these letters were appended again, oldest first, by origin.

    Read from the headers of the input topic, from the time of the oldest letter on: they are in the log together
    with the retry or not at all. Takes about 3 us for each record there. Raises as `dead_letters`.
    """
    wanted: set[bytes] = set()
    oldest: int | None = None
    unknown_since = False
    for one in found:
        wanted.add(str(one.origin).encode())
        unknown_since = unknown_since or one.letter.append_time is None
        oldest = one.since if oldest is None else min(oldest, one.since)
    again: dict[Place, list[Place]] = {}
    if oldest is None:
        return again
    async with open_log(settings, JOURNEY_EVENTS, catalog=None) as log:
        # Without append times the topic's timestamps are anybody's, and find nothing.
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


def retry_headers(found: FoundLetter) -> list[tuple[str, bytes]]:
    """Headers of a retry: provenance, and the sign that it was done."""
    return [(RETRY_OF, str(found.origin).encode()), (RETRIED_LETTER, str(found.at).encode())]


def _header(headers: Sequence[tuple[str, bytes]], name: str) -> bytes | None:
    return next((value for key, value in headers if key == name), None)


def _found(codec: Codec, partition: int, record: Any) -> FoundLetter | None:
    """Letter of a record of the topic; None for what is no dead letter (`journeys verify` tells of those)."""
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
