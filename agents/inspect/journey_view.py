"""The view of one journey that `journeys show` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from journeys.schemas.records import JourneyAbandoned, JourneyLifecycle
from journeys.streams.rule.row import Row

SHOWN_RECORDS: Final = 20


@dataclass(frozen=True, slots=True)
class JourneyView:
    """The stored row of a journey and its published records. Instants are epoch milliseconds."""

    journey_id: str
    partition: int
    row: Row | None
    """None for a journey that was never seen, or whose row was deleted."""
    clock: int | None
    """Clock of the partition, as of its last flush."""
    abandonments: list[JourneyAbandoned]
    """The last SHOWN_RECORDS, oldest first, each once."""
    lifecycle: list[JourneyLifecycle]
    """The last SHOWN_RECORDS, oldest first, each once."""
