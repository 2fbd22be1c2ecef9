"""Which records are in the log already: a bounded memory of ids, read back from the log's end after a restart."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from journeys.agents.kafka.log_reader import open_log
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import InputRecord, JourneySignal, Touchpoint
from journeys.schemas.topics import JOURNEY_EVENTS

DEFAULT_REMEMBERED: Final = 250_000
# Ids come from anybody: a hash that can be collided would let one client hide the records of another.
_HASH_BYTES: Final = 16


def id_of(record: InputRecord) -> bytes | None:
    """Hash of the journey and the id that makes a record count once; None for a record without one."""
    if isinstance(record, Touchpoint):
        own: str | None = record.touchpoint_id
    elif isinstance(record, JourneySignal):
        own = record.command_id
    else:
        return None
    if own is None:
        return None
    journey = record.journey_id.encode()
    return blake2b(b"%d:%b%b" % (len(journey), journey, own.encode()), digest_size=_HASH_BYTES).digest()


class KnownIds:
    """At least the last `remembered` ids that were added, at most twice as many: about 90 bytes each."""

    def __init__(self, remembered: int = DEFAULT_REMEMBERED) -> None:
        self.remembered = remembered
        self._recent: set[bytes] = set()
        self._older: set[bytes] = set()

    def __contains__(self, key: bytes) -> bool:
        return key in self._recent or key in self._older

    def add(self, key: bytes) -> None:
        """Remember an id."""
        self._recent.add(key)
        if len(self._recent) >= self.remembered:
            self._older, self._recent = self._recent, set()

    async def read_back(self, settings: Settings, codec: Codec) -> None:
        """Add the ids at the end of the input topic: of as many records as are remembered, in equal parts.

        Raises as `open_log`.
        """
        async with open_log(settings, JOURNEY_EVENTS, catalog=codec.catalog) as log:
            each = max(1, self.remembered // log.partition_count)
            for partition, end in log.end_offsets.items():
                start = max(log.start_offsets[partition], end - each)
                async for batch in log.read_partition(partition, start=start):
                    for record in codec.decode_inputs([one.value for one in batch.records]):
                        key = None if isinstance(record, InvalidRecordError) else id_of(record)
                        if key is not None:
                            self.add(key)
