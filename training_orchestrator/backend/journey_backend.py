"""What a manager needs of journeys, wherever they are decided: in this process, or by workers behind Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from journeys.schemas.records import JourneyAbandoned, JourneyCommand, JourneyLifecycle, JourneyRecord
    from journeys.streams.rule.row import Row
    from training_orchestrator.api.figures import Figures


class JourneyDoor(Protocol):
    """One of the two ways to run. Every method may raise StoreUnavailableError, and then has changed nothing."""

    async def open(self) -> None:
        """Begin: embedded, come back to where the file says; connected, listen to the output topics."""

    async def close(self) -> None:
        """End; what was acknowledged stays."""

    async def write(self, records: Sequence[JourneyRecord]) -> None:
        """Append registrations and touchpoints; they are durable when this returns. Raises InvalidRecordError."""

    async def request(self, command: JourneyCommand) -> JourneyAbandoned | JourneyLifecycle:
        """Append a command and give its answer: the abandonment, `extended` or `refused`. Raises InvalidRecordError."""

    async def take_timed_out(self) -> list[JourneyAbandoned]:
        """Abandonments by deadline found out since `open`, each given once, in the order of their firing."""

    async def row(self, journey_id: str) -> Row | None:
        """Row of a journey as it stands; None where it is unknown."""

    async def abandonments_since(self, at: int) -> list[JourneyAbandoned]:
        """Abandonments detected at `at` (ms) or later, each once."""

    async def clean_up(self) -> int | None:
        """Forget journeys that ended long ago, now; how many were, None where workers do that by themselves."""

    async def figures(self) -> Figures:
        """What is known of the journeys' number and state."""
