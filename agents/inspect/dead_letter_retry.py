"""Records of dead letters, appended to the input topic again once what was wrong is mended."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from journeys.agents.inspect.dead_letters import FoundLetter, LetterFilter, Place, dead_letters, retries, retry_headers
from journeys.agents.inspect.policies_in_force import policies_in_force
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.kafka.record_producer import RecordProducer
from journeys.agents.kafka.schema_registry import own_catalog, registry_of
from journeys.agents.kafka.topic_setup import UnknownTopicError
from journeys.agents.kafka.topic_time import topic_time
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.instants import format_instant
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import InputRecord, JourneyRecord, PolicyChanged, Punctuation
from journeys.streams.rule.policy import DEFAULT_POLICY

_NOT_RETRIED: Final = {
    Punctuation: "a punctuation is never retried: time belongs to workers and imports",
    PolicyChanged: "a policy is not retried: put it in force with journeys policy set",
}


class LostRecordError(OperationError):
    """The record of a dead letter is not to be had any more."""


@dataclass(frozen=True, slots=True)
class Retry:
    """What became of one letter: `sent`, or in words why not. `done_before` is a retry that was found in the log."""

    found: FoundLetter
    sent: bool
    why_not: str = ""
    done_before: Place | None = None


class DeadLetterRetry:
    """Retries letters that a filter means. Nothing is sent twice unless `again`."""

    def __init__(
        self,
        settings: Settings,
        *,
        correction: JourneyRecord | None = None,
        again: bool = False,
        codec: Codec | None = None,
    ) -> None:
        """`correction` stands in for the record, of one letter. Without a codec takes one of the settings."""
        self._settings = settings
        self._correction = correction
        self._again = again
        self._codec = codec

    async def retry(self, wanted: LetterFilter) -> AsyncGenerator[Retry, None]:
        """Yield what becomes of each letter; all that were sent are acknowledged when it ends.

        Raises as RecordProducer and `journeys.agents.inspect.dead_letters`.
        """
        codec = self._codec or Codec(await own_catalog(self._settings))
        # Read twice: there may be many, and each may hold 64 KiB.
        meant = [found.bare() async for found in dead_letters(self._settings, wanted)]
        done = await retries(self._settings, meant)
        looked_for = {found.origin for found in meant}
        async with RecordProducer(self._settings, codec) as producer:
            async for found in dead_letters(self._settings, wanted):
                if found.origin not in looked_for:
                    continue  # it has come since
                before = done.get(found.origin)
                if before and not self._again:
                    yield Retry(
                        found, False, f"retried already as {before[-1]}; --again sends it once more", before[-1]
                    )
                    continue
                try:
                    record = self._correction or await self._record_of(found, codec)
                    encoded = producer.encode(record)
                    await self._require_in_time(record, codec)
                    await producer.append(encoded, retry_headers(found))
                except (InvalidRecordError, LostRecordError) as error:
                    yield Retry(found, False, str(error))
                    continue
                # Before it is told: whoever reads "sent" may rely on it.
                await producer.flush()
                yield Retry(found, True)

    async def _record_of(self, found: FoundLetter, codec: Codec) -> JourneyRecord:
        """Record of the letter, not validated. Raises InvalidRecordError, LostRecordError."""
        value = await whole_value(self._settings, found)
        if value is not None:
            async with registry_of(self._settings, codec.catalog) as registry:
                if registry is not None:
                    await registry.learn_from([value])
        record: InputRecord = codec.decode_unvalidated(value)
        for kind, why in _NOT_RETRIED.items():
            if isinstance(record, kind):
                raise LostRecordError(why)
        assert not isinstance(record, Punctuation | PolicyChanged)
        return record

    async def _require_in_time(self, record: JourneyRecord, codec: Codec) -> None:
        """Raise InvalidRecordError for a record that a live topic does not take yet: it would be dead again."""
        now = time.time_ns() // 1_000_000
        if record.occurred_at <= now or (await topic_time(self._settings, codec)).time_source == "simulated":
            return
        latest = now + await self._future_skew_ms()
        if record.occurred_at > latest:
            raise InvalidRecordError(
                "occurred_at", format_instant(record.occurred_at), f"at most {format_instant(latest)}, as of now"
            )

    async def _future_skew_ms(self) -> int:
        try:
            partitions = await policies_in_force(self._settings)
        except UnknownTopicError:  # no worker was ever here
            return DEFAULT_POLICY.future_skew_ms
        return min((one.policy.future_skew_ms for one in partitions), default=DEFAULT_POLICY.future_skew_ms)


async def whole_value(settings: Settings, found: FoundLetter) -> bytes | None:
    """Value of the letter's record: from the letter, or where that holds only its beginning, from the origin.

    Raises LostRecordError where the origin does not hold it any more, and as `log_reader.open_log`.
    """
    letter, origin = found.letter, found.origin
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
        async with open_log(settings, place.topic) as log:
            first, end = log.start_offsets.get(place.partition, 0), log.end_offsets.get(place.partition, 0)
            if not first <= place.offset < end:
                return None
            async for batch in log.read_partition(place.partition, start=place.offset, end=place.offset + 1):
                value: bytes | None = batch.records[0].value
                return value
    except UnknownTopicError:
        pass
    return None
