"""Retries dead letters: appends their records to the input topic again, once the cause is fixed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from journeys.agents.inspect.dead_letters import FoundLetter, LetterFilter, Place, dead_letters, retries, retry_headers
from journeys.agents.inspect.letter_schemas import LetterSchemas
from journeys.agents.inspect.time_limit import time_limit
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.kafka.record_producer import RecordProducer
from journeys.agents.kafka.schema_registry import own_catalog
from journeys.agents.kafka.topic_setup import UnknownTopicError
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import (
    ClockCorrected,
    InputRecord,
    JourneyRecord,
    PolicyChanged,
    Punctuation,
    TimeSourceChanged,
)

_NOT_RETRIED: Final = {
    Punctuation: "a punctuation is never retried: time belongs to workers and imports",
    ClockCorrected: "a correction of the clock is not retried: give another one with journeys correct-clock",
    TimeSourceChanged: "a change of the time source is not retried: say journeys topics live again",
    PolicyChanged: "a policy is not retried: put it in force with journeys policy set",
}


class LostRecordError(OperationError):
    """The record of a dead letter is no longer available, or must not be retried."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Result for one letter: `sent`, or `why_not`. `done_before` is an earlier retry in the log."""

    found: FoundLetter
    sent: bool
    why_not: str = ""
    done_before: Place | None = None


class DeadLetterRetry:
    """Retries the letters that match a filter. Earlier retries are not repeated unless `again`."""

    def __init__(
        self,
        settings: Settings,
        *,
        correction: JourneyRecord | None = None,
        again: bool = False,
        codec: Codec | None = None,
    ) -> None:
        """`correction` replaces the record of a single letter. Without a codec, one is made from the settings."""
        self._settings = settings
        self._correction = correction
        self._again = again
        self._codec = codec

    async def retry(self, wanted: LetterFilter) -> AsyncGenerator[Retry, None]:
        """Yield the result for each letter; a letter is `sent` once Kafka has acknowledged its record.

        Raises as RecordProducer and `journeys.agents.inspect.dead_letters`.
        """
        codec = self._codec or Codec(await own_catalog(self._settings))
        # The topic is read twice: there may be many letters, and each may hold 64 KiB.
        matching = [entry.bare() async for entry in dead_letters(self._settings, wanted)]
        done = await retries(self._settings, matching)
        origins = {entry.origin for entry in matching}
        schemas = LetterSchemas(self._settings, codec.catalog)
        async with RecordProducer(self._settings, codec) as producer:
            async for entry in dead_letters(self._settings, wanted):
                if entry.origin not in origins:
                    continue  # published after the first reading
                before = done.get(entry.origin)
                if before and not self._again:
                    yield Retry(
                        entry, False, f"retried already as {before[-1]}; --again sends it once more", before[-1]
                    )
                    continue
                try:
                    record = self._correction or await self._record_of(entry, schemas)
                    encoded = producer.encode(record)
                    await self._require_in_time(record, codec)
                    await producer.append(encoded, retry_headers(entry))
                except (InvalidRecordError, LostRecordError) as error:
                    yield Retry(entry, False, str(error))
                    continue
                await producer.flush()
                yield Retry(entry, True)

    async def _record_of(self, entry: FoundLetter, schemas: LetterSchemas) -> JourneyRecord:
        """Decoded record of the letter, not validated. Raises InvalidRecordError, LostRecordError."""
        value = await whole_value(self._settings, entry)
        record: InputRecord = Codec(await schemas.of(entry.origin, value)).decode_unvalidated(value)
        for kind, why in _NOT_RETRIED.items():
            if isinstance(record, kind):
                raise LostRecordError(why)
        assert isinstance(record, JourneyRecord)
        return record

    async def _require_in_time(self, record: JourneyRecord, codec: Codec) -> None:
        """Raise InvalidRecordError for a record that is too far in the future for a live topic."""
        now = now_ms()
        if record.occurred_at > now:
            (await time_limit(self._settings, codec)).require(record, now)


async def whole_value(settings: Settings, entry: FoundLetter) -> bytes | None:
    """Value of the letter's record: from the letter, or if that holds only the beginning, from the original record.

    Raises LostRecordError if the original record is gone, and as `log_reader.open_log`.
    """
    letter, origin = entry.letter, entry.origin
    value = letter.record_value
    if value is None:
        return None
    if len(value) < letter.value_size:
        value = await _read(settings, origin)
    if value is None or sha256(value).hexdigest() != letter.value_sha256:
        raise LostRecordError(
            f"{origin} does not hold the record any more (of {letter.value_size:,} bytes, of which the dead letter has "
            "the beginning): give a corrected one with --with FILE"
        )
    return value


async def _read(settings: Settings, place: Place) -> bytes | None:
    try:
        async with open_log(settings, place.topic, catalog=None) as log:
            first, end = log.start_offsets.get(place.partition, 0), log.end_offsets.get(place.partition, 0)
            if not first <= place.offset < end:
                return None
            async for batch in log.read_partition(place.partition, start=place.offset, end=place.offset + 1):
                value: bytes | None = batch.records[0].value
                return value
    except UnknownTopicError:
        pass
    return None
