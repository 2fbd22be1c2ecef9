"""A gathering: consecutive batches of one partition that are flushed together, each changed row once.

Under load a journey's touchpoints come close together, and most versions of a row would be overwritten in the
changelog within a second. A batch behind which no input is waiting is flushed at once.
"""

from __future__ import annotations

from time import monotonic
from typing import Any, Final

from faust.types import ConsumerMessage

from journeys.agents.worker.ports.batch import Batch
from journeys.schemas.codec import Codec
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.protocols import JourneyPartition, JourneyProcessor

MOST_RECORDS: Final = 100_000
"""Most records of a gathering: so many may have to be applied again after a crash."""
MOST_DEAD_LETTER_BYTES: Final = 16 * 1024 * 1024
"""Most bytes of a gathering's dead letters, which hold the beginnings of the records that they tell of."""
_DEAD_LETTER_BYTES: Final = 1_000
"""Of a dead letter apart from the record: its reason, mostly."""


class Gathering:
    """Consecutive batches that are applied and not flushed yet."""

    def __init__(self, processor: JourneyProcessor, seconds: float) -> None:
        self._processor = processor
        self._effects = processor.begin()
        self._ends_at = monotonic() + seconds
        self._records = 0
        self._dead_letters = 0
        self._dead_letter_bytes = 0
        self.events: list[Any] = []
        """Faust's events of the batches, to be acknowledged when all is flushed."""

    @property
    def partition(self) -> JourneyPartition:
        """The partition that the batches were applied to."""
        return self._processor.partition

    @property
    def position(self) -> int:
        """Offset behind the last record."""
        offset: int = self._last.offset
        return offset + 1

    @property
    def _last(self) -> ConsumerMessage:
        """Message of the last batch; its records are no longer held."""
        message: ConsumerMessage = self.events[-1].message
        return message

    @property
    def is_due(self) -> bool:
        """Whether to flush now: no more input is known to wait, or records or time have reached their limit."""
        last: Batch = self._last.value
        is_full = self._records >= MOST_RECORDS or self._dead_letter_bytes >= MOST_DEAD_LETTER_BYTES
        return last.is_all or is_full or monotonic() >= self._ends_at

    def is_followed_by(self, batch: Batch, generation_id: int) -> bool:
        """Whether a batch is of the same assignment and begins exactly at the next offset."""
        return generation_id == self._last.generation_id and batch.first_offset == self.position

    def apply(self, event: Any, codec: Codec) -> None:
        """Apply the batch of a Faust event."""
        batch: Batch = event.message.value
        self._processor.apply_log(batch.records, codec, self._effects)
        self.events.append(event)
        self._records += len(batch)
        for letter in self._effects.dead_letters[self._dead_letters :]:
            self._dead_letter_bytes += (
                len(letter.record_value or b"") + len(letter.record_key or b"") + _DEAD_LETTER_BYTES
            )
        self._dead_letters = len(self._effects.dead_letters)
        batch.clear()  # the event is kept until the flush, which may wait for Kafka; the records are not needed

    def complete(self) -> Effects:
        """Effects of all batches, to be flushed."""
        return self._processor.complete(self._effects)
