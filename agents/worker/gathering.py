"""A gathering: batches of one partition whose effects go to Kafka together, each changed row once.

Under load a journey's touchpoints come close together, and most of a row's versions would be overwritten in the
changelog within a second. Where nothing waits behind a batch, it is flushed at once.
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
"""More are not gathered, however fast they come: so much may have to be done again after a crash."""


class Gathering:
    """Batches without a hole between them, applied and not flushed."""

    def __init__(self, processor: JourneyProcessor, seconds: float) -> None:
        self._processor = processor
        self._effects = processor.begin()
        self._ends_at = monotonic() + seconds
        self._records = 0
        self.events: list[Any] = []
        """Faust's events of the batches, to be acknowledged when all is flushed."""

    @property
    def partition(self) -> JourneyPartition:
        """What the batches were applied to."""
        return self._processor.partition

    @property
    def position(self) -> int:
        """Offset behind the last record."""
        offset: int = self._last.offset
        return offset + 1

    @property
    def _last(self) -> ConsumerMessage:
        """Message of the last batch, whose records are gone."""
        message: ConsumerMessage = self.events[-1].message
        return message

    @property
    def is_due(self) -> bool:
        """Whether it is time to flush: nothing is known to wait behind, or enough has been gathered."""
        last: Batch = self._last.value
        return last.is_all or self._records >= MOST_RECORDS or monotonic() >= self._ends_at

    def is_followed_by(self, batch: Batch, generation_id: int) -> bool:
        """Whether a batch of the same assignment joins without a hole or an overlap."""
        return generation_id == self._last.generation_id and batch.first_offset == self.position

    def apply(self, event: Any, codec: Codec) -> None:
        """Apply the batch of an event."""
        batch: Batch = event.message.value
        self._processor.apply_log(batch.records, codec, self._effects)
        self.events.append(event)
        self._records += len(batch)
        batch.clear()  # its event waits for the flush, perhaps for as long as Kafka is away; the records need not

    def complete(self) -> Effects:
        """Effects of all of it, to be flushed."""
        return self._processor.complete(self._effects)
