"""What is known of one journey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from journeys.schemas.records import JourneyAbandoned, JourneyLifecycle
from journeys.streams.rule.row import Row

SHOWN_RECORDS: Final = 20


@dataclass(frozen=True, slots=True)
class JourneyView:
    """What is stored and published of a journey. Instants are epoch milliseconds."""

    journey_id: str
    partition: int
    row: Row | None
    """None for a journey that was never seen or is forgotten."""
    clock: int | None
    """The partition's, as of its last flush."""
    abandonments: list[JourneyAbandoned]
    """The last SHOWN_RECORDS, oldest first, each once."""
    lifecycle: list[JourneyLifecycle]
    """The same."""
